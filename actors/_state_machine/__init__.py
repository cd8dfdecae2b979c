"""State machines with the semantics of OTP's gen_statem."""
