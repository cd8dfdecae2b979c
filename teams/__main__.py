"""`python -m teams`, for where the script `letitcrash` is not on the path."""

from teams.cli import main

if __name__ == "__main__":
    main()
