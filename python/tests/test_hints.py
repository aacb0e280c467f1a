"""What the package says of its types: everywhere, and in words that there are."""

from __future__ import annotations

import importlib
import inspect
import os
import pkgutil
import subprocess
import sys
import tempfile
import typing
import unittest
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from .places import root

import quartet

folder = root / "python/quartet"


def modules() -> list[ModuleType]:
    """All of the package."""
    names = sorted(each.name for each in pkgutil.iter_modules([str(folder)]))
    return [importlib.import_module(f"quartet.{name}") for name in names]


def functions(module: ModuleType) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Functions and methods that the module itself defines."""
    for name, value in vars(module).items():
        if getattr(value, "__module__", None) != module.__name__:
            continue
        if inspect.isfunction(value):
            yield f"{module.__name__}.{name}", value
        elif inspect.isclass(value):
            for own, member in vars(value).items():
                plain = getattr(member, "__func__", None) or getattr(member, "fget", member)
                if inspect.isfunction(plain) and plain.__module__ == module.__name__:
                    yield f"{module.__name__}.{name}.{own}", plain


class Hints(unittest.TestCase):
    """PL14: who uses the package from checked code is told its types."""

    def test_every_function_says_the_types_of_all_that_it_takes_and_gives(self) -> None:
        silent: list[str] = []
        count = 0
        for module in modules():
            for name, function in functions(module):
                # What dataclasses and protocols write themselves stands in no file of ours.
                if function.__code__.co_filename != module.__file__:
                    continue
                count += 1
                signature = inspect.signature(function)
                for each in signature.parameters.values():
                    if each.name not in ("self", "cls") and each.annotation is each.empty:
                        silent.append(f"{name}({each.name})")
                if signature.return_annotation is signature.empty:
                    silent.append(f"{name} ->")
        self.assertEqual(silent, [])
        self.assertGreater(count, 400)

    def test_every_type_that_is_named_there_is(self) -> None:
        # Modules name some types only for the checker, so as not to import each other.
        known: dict[str, Any] = {}
        for module in modules():
            known |= {name: value for name, value in vars(module).items() if inspect.isclass(value)}
        wrong: list[str] = []
        for module in modules():
            words = vars(module)
            for name, function in functions(module):
                if function.__code__.co_filename != module.__file__:
                    continue
                try:
                    typing.get_type_hints(function, words, {**known, **words})
                except NameError as error:
                    wrong.append(f"{name}: {error}")
        self.assertEqual(wrong, [])

    def test_what_is_exported_there_is(self) -> None:
        for module in (quartet, *modules()):
            for name in getattr(module, "__all__", ()):
                self.assertTrue(hasattr(module, name), f"{module.__name__}.{name}")
        self.assertTrue((folder / "py.typed").exists())

    def test_all_of_it_compiles_without_a_warning(self) -> None:
        with tempfile.TemporaryDirectory() as made:
            environment = {**os.environ, "PYTHONPYCACHEPREFIX": made}
            environment.pop("PYTHONDONTWRITEBYTECODE", None)
            places = [str(folder), str(root / "python/tests")]
            words = [sys.executable, "-W", "error", "-m", "compileall", "-q", "-f", *places]
            done = subprocess.run(words, env=environment, capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stdout), (0, ""), done.stderr)


if __name__ == "__main__":
    unittest.main()
