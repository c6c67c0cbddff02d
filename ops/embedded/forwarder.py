"""Passes TCP connections from a fixed port on to another port of this machine."""

import asyncio

_CHUNK_BYTES = 65_536


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copies bytes until the sender closes or either side breaks, then closes the receiver."""
    try:
        while chunk := await reader.read(_CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


async def forward(host: str, port: int, target_port: int) -> None:
    """Listens on host and port until cancelled; a connection that the target refuses is closed.

    Raises:
        OSError: the port is taken.
    """

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            target_reader, target_writer = await asyncio.open_connection(host, target_port)
        except ConnectionError:
            writer.close()
            return
        await asyncio.gather(_pump(reader, target_writer), _pump(target_reader, writer))

    server = await asyncio.start_server(connect, host, port)
    async with server:
        await server.serve_forever()
