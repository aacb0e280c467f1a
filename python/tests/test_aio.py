"""The asyncio client against a real server."""

from __future__ import annotations

import asyncio
import unittest
from typing import Any

from .places import serve, wait_seconds

import quartet
from quartet import aio


class Calls(unittest.IsolatedAsyncioTestCase):
    """PL14, PL43 to PL85, PL141, awaited."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.server = serve(cls)

    async def app(self, name: str, **options: Any) -> aio.App:
        app = await aio.connect(self.server.unix, app=name, **options)
        self.addAsyncCleanup(app.close, 0)
        return app

    async def test_coroutines_functions_and_generators_handle_calls(self) -> None:
        bob, ada = await self.app("bob"), await self.app("ada")

        async def add(payload: Any, call: aio.Call) -> int:
            return payload["x"] + payload["y"]

        @bob.handle("plain")
        def plain(payload: Any, call: aio.Call) -> Any:
            return [payload]

        async def count(most: int, call: aio.Call) -> Any:
            for number in range(most):
                yield number

        def counted(most: int, call: aio.Call) -> Any:
            yield from range(most)
            return "counted"

        await bob.handle("add", add)
        await bob.handle("count", count)
        await bob.handle("counted", counted)
        self.assertEqual(await ada.call("add", {"x": 1, "y": 2}), 3)
        self.assertEqual(await ada.call("plain", "a"), ["a"])
        for trigger, result in (("count", None), ("counted", "counted")):
            stream = ada.stream(trigger, 30, credit=3)
            self.assertEqual([part async for part in stream], list(range(30)))
            self.assertEqual(stream.result, result)
            self.assertEqual(await ada.call(trigger, 3), [0, 1, 2])

    async def test_many_calls_are_under_way_at_a_time(self) -> None:
        bob, ada = await self.app("bob"), await self.app("ada")
        everyone = asyncio.Barrier(20)

        async def meet(payload: Any, call: aio.Call) -> Any:
            await everyone.wait()
            return payload

        await bob.handle("meet", meet)
        got = await asyncio.gather(*(ada.call("meet", number) for number in range(20)))
        self.assertEqual(got, list(range(20)))

    async def test_arguments_may_be_streamed(self) -> None:
        bob, ada = await self.app("bob"), await self.app("ada")

        async def total(payload: Any, call: aio.Call) -> int:
            return sum([each async for each in call.input])

        async def numbers() -> Any:
            for number in range(100):
                yield number

        await bob.handle("sum", total)
        self.assertEqual(await ada.call("sum", input=numbers()), 4950)
        self.assertEqual(await ada.call("sum", input=range(5)), 10)
        self.assertEqual(await ada.call("sum"), 0)

    async def test_a_cancelled_task_cancels_its_call(self) -> None:
        bob, ada = await self.app("bob"), await self.app("ada")
        begun, stopped = asyncio.Event(), asyncio.Event()

        async def slow(payload: Any, call: aio.Call) -> None:
            begun.set()
            if await call.wait_cancelled(wait_seconds):
                stopped.set()

        await bob.handle("slow", slow)
        task = asyncio.create_task(ada.call("slow"))
        await begun.wait()
        task.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(stopped.wait(), wait_seconds)

    async def test_errors_and_deadlines_are_told(self) -> None:
        bob, ada = await self.app("bob"), await self.app("ada")

        async def fail(payload: Any, call: aio.Call) -> None:
            raise ValueError("no")

        async def slow(payload: Any, call: aio.Call) -> None:
            await call.wait_cancelled(wait_seconds)

        async def outer(payload: Any, call: aio.Call) -> Any:
            return await call.call("fail")

        for name, work in (("fail", fail), ("slow", slow), ("outer", outer)):
            await bob.handle(name, work)
        for trigger, code, handler in (
            ("fail", "HANDLER_ERROR", None),
            ("outer", "HANDLER_ERROR", "HANDLER_ERROR"),
            ("slow", "TIMEOUT", None),
            ("nobody", "NO_HANDLER", None),
        ):
            with self.assertRaises(quartet.PoolsError) as failed:
                await ada.call(trigger, ttl=0.4 if trigger == "slow" else wait_seconds)
            self.assertEqual(
                (failed.exception.code, failed.exception.handler_code), (code, handler)
            )

    async def test_emits_reach_functions_and_coroutines_in_their_order(self) -> None:
        bob, ada = await self.app("bob"), await self.app("ada")
        heard: asyncio.Queue[Any] = asyncio.Queue()

        async def listen(payload: Any, emit: quartet.Emitted) -> None:
            await asyncio.sleep(0)
            heard.put_nowait(payload)

        undo = await bob.on("log.>", listen)
        for number in range(50):
            await ada.emit("log.a.b", number)
        got = [await asyncio.wait_for(heard.get(), wait_seconds) for _ in range(50)]
        self.assertEqual(got, list(range(50)))
        await undo()
        self.assertEqual(await ada.emit("log.a.b", ack=True), {"reached": 0, "lost": 0})

    async def test_pools_and_explain(self) -> None:
        ada = await self.app("ada")
        await ada.pool("club").create()
        await ada.pool("club").join()
        members = await ada.pool("club").members()
        self.assertEqual([each["app_id"] for each in members["members"]], ["ada"])
        await ada.pool("club").leave()
        await ada.pool("club").destroy()
        self.assertEqual((await ada.explain("nobody"))["candidates"], [])

    async def test_an_app_ends_with_its_block(self) -> None:
        async with await aio.connect(self.server.unix, app="ada") as ada:
            self.assertEqual(ada.state, "ready")
        self.assertEqual(ada.state, "closed")
        with self.assertRaises(quartet.PoolsError):
            await ada.call("x")

    async def test_nobody_there_is_told_at_once(self) -> None:
        with self.assertRaises(quartet.PoolsError) as failed:
            await aio.connect(self.server.unix + ".not", app="ada")
        self.assertEqual(failed.exception.code, "CONNECTION_LOST")

    async def test_all_holds_again_after_the_server_was_killed(self) -> None:
        server = await asyncio.to_thread(serve, self)
        bob = await aio.connect(server.unix, app="bob")
        self.addAsyncCleanup(bob.close, 0)

        async def echo(payload: Any, call: aio.Call) -> Any:
            return payload

        await bob.handle("echo", echo)
        ada = await aio.connect(server.unix, app="ada")
        self.addAsyncCleanup(ada.close, 0)
        await asyncio.to_thread(server.kill)
        pending = asyncio.create_task(ada.call("echo", 1, ttl=wait_seconds, wait=wait_seconds))
        await asyncio.to_thread(server.start)
        # Sent before the end was noticed it may have run: then it is lost, and said so.
        try:
            self.assertEqual(await pending, 1)
        except quartet.PoolsError as error:
            self.assertEqual((error.code, error.execution_uncertain), ("CONNECTION_LOST", True))
        self.assertEqual(await ada.call("echo", 2, ttl=wait_seconds, wait=wait_seconds), 2)


if __name__ == "__main__":
    unittest.main()
