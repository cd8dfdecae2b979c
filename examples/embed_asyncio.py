"""A tree inside an asyncio service: a key-value server whose data live in supervised actors.

    python examples/embed_asyncio.py                # three clients, then the end
    python examples/embed_asyncio.py --serve 7777   # until Ctrl-C; try it with: nc 127.0.0.1 7777

The server owns the event loop; the tree runs on it (`async with start(tree)`). Each key belongs to one of
four shards. A request that a shard cannot take (`INCR` of a word) crashes that shard alone: its client is
told so, all others go on.
"""

from __future__ import annotations

import argparse
import asyncio
from functools import partial

from actors import Actor, ActorError, ExitReason, Message, handles
from supervisors import SupervisorRef, child, constant, partition_supervisor, start, supervisor


class Set(Message):
    """Sets a key."""

    key: str
    value: str


class Get(Message):
    """Asks for a key."""

    key: str


class Increment(Message):
    """Adds one to the number at a key."""

    key: str


class Shard(Actor):
    """Some of the keys."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    @handles
    def set(self, message: Set) -> str:
        self.values[message.key] = message.value
        return message.value

    @handles
    def get(self, message: Get) -> str:
        return self.values.get(message.key, "")

    @handles
    def increment(self, message: Increment) -> str:
        value = int(self.values.get(message.key, "0")) + 1
        self.values[message.key] = str(value)
        return str(value)

    def carry_over(self, reason: ExitReason) -> dict[str, str]:
        return self.values

    def on_restore(self, carried: dict[str, str]) -> None:
        self.values = carried


tree = supervisor(
    "root",
    # A client can crash a shard at will, so no number of crashes may take the service down.
    partition_supervisor("shards", child("shard", Shard, backoff=constant(0.02)), partitions=4, max_restarts=None),
)


def parse(line: str) -> Set | Get | Increment | None:
    """The request in a line without its end, if there is one."""
    match line.split(maxsplit=2):
        case ["SET", key, value]:
            return Set(key=key, value=value)
        case ["GET", key]:
            return Get(key=key)
        case ["INCR", key]:
            return Increment(key=key)
        case _:
            return None


async def answer(shards: SupervisorRef, line: str) -> str:
    """The answer to one line."""
    request = parse(line.strip())
    if request is None:
        return "? SET key value, GET key or INCR key"
    try:
        return f"= {await shards.partition(request.key).call(request, timeout=5)}"
    except ActorError as error:
        return f"! unavailable: {error}"
    except ValueError as error:
        return f"! crashed: {error}"


async def serve_client(shards: SupervisorRef, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection: a line, an answer, until the client goes."""
    try:
        while line := await reader.readline():
            writer.write(f"{await answer(shards, line.decode(errors='replace'))}\n".encode())
            await writer.drain()
    except ConnectionError:
        return
    finally:
        writer.close()


async def client(port: int, *lines: str) -> list[str]:
    """What a client says, each line with its answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    conversation: list[str] = []
    for line in lines:
        writer.write(f"{line}\n".encode())
        conversation.append(f"{line} {(await reader.readline()).decode().strip()}")
    writer.close()
    await writer.wait_closed()
    return conversation


async def serve(port: int, *, demo: bool) -> None:
    """Runs the service; as a demo, until its three clients are served."""
    async with start(tree, log=False) as root:
        shards = root.supervisor("shards")
        server = await asyncio.start_server(partial(serve_client, shards), "127.0.0.1", port)
        async with server:
            port = server.sockets[0].getsockname()[1]
            if not demo:
                print(f"listening on 127.0.0.1:{port}", flush=True)
                await server.serve_forever()
            conversations = await asyncio.gather(
                client(port, "SET name Ada", "INCR name", "GET name"),
                client(port, "INCR visits", "INCR visits", "INCR visits"),
                client(port, "SET a 1", "INCR a", "DROP a"),
            )
            for lines in conversations:
                print("\n".join(lines))
        crashed = [shard for shard in await shards.which_children() if shard.restarts]
        print(f"shards restarted: {len(crashed)} of 4")


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--serve", type=int, metavar="PORT", help="serve until Ctrl-C")
    options = parser.parse_args()
    try:
        asyncio.run(serve(options.serve or 0, demo=options.serve is None))
    except KeyboardInterrupt:
        print("stopped in order")


if __name__ == "__main__":
    main()
