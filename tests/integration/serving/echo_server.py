"""The smallest server of the kind that the local stack is made of."""

from __future__ import annotations

import argparse
import asyncio

from aiohttp import web

from local.cloud.serving import add_serving_arguments, configure_logging, serve_application


async def _answer(_request: web.Request) -> web.Response:
    return web.Response(text="here")


def main() -> None:
    parser = argparse.ArgumentParser()
    add_serving_arguments(parser)
    configure_logging()
    app = web.Application()
    app.router.add_get("/", _answer)
    asyncio.run(serve_application(parser.parse_args(), app))


if __name__ == "__main__":
    main()
