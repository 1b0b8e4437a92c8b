"""Documents of the demo: the docstrings of the running interpreter's standard library.

`read_corpus()` returns {qualified name: text}; nothing is downloaded.
"""

import importlib
import inspect
import warnings
from collections.abc import Iterator
from types import (
    BuiltinFunctionType,
    ClassMethodDescriptorType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodDescriptorType,
    ModuleType,
)

MODULES = """
    argparse array ast asyncio base64 bisect bz2 calendar cmath codecs collections colorsys
    concurrent.futures configparser contextlib contextvars copy csv datetime decimal difflib dis
    email.message email.utils enum fileinput filecmp fnmatch fractions functools getpass gettext
    glob graphlib gzip hashlib heapq hmac html http.client http.cookies http.server imaplib
    importlib.metadata importlib.resources importlib.util inspect io ipaddress itertools json
    keyword linecache locale logging logging.handlers lzma mailbox math mimetypes mmap
    multiprocessing multiprocessing.pool multiprocessing.shared_memory numbers operator os
    os.path pathlib pickle pkgutil platform plistlib pprint queue quopri random re reprlib sched
    secrets select selectors shelve shlex shutil signal smtplib socket socketserver sqlite3 ssl
    stat statistics string struct subprocess sys sysconfig tarfile tempfile textwrap threading
    time timeit tokenize traceback tracemalloc types typing unicodedata unittest unittest.mock
    urllib.parse urllib.request urllib.robotparser uuid warnings wave weakref webbrowser
    xml.dom.minidom xml.etree.ElementTree xml.sax.saxutils xmlrpc.client zipfile zipimport zlib
    zoneinfo builtins
""".split()  # noqa: SIM905

DOCUMENTED = (
    FunctionType, MethodDescriptorType, ClassMethodDescriptorType, GetSetDescriptorType,
    MemberDescriptorType, BuiltinFunctionType, classmethod, staticmethod, property,
)  # fmt: skip
SHORTEST = 40  # characters; shorter docstrings hold nothing to search for


def read_corpus() -> dict[str, str]:
    """Return {qualified name: name and docstring} for the standard library's public API."""
    texts: dict[str, str] = {}
    seen: set[str] = set()
    for name in MODULES:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a deprecated module still has documentation
            module = importlib.import_module(name)
        for qualified_name, docstring in _docstrings(name, module):
            if len(docstring) >= SHORTEST and docstring not in seen:
                seen.add(docstring)
                texts[qualified_name] = f"{qualified_name}\n{docstring}"
    return texts


def _docstrings(name: str, module: ModuleType) -> Iterator[tuple[str, str]]:
    """Yield (qualified name, docstring) of public functions, classes, methods and properties."""
    names = getattr(module, "__all__", None) or vars(module)
    for member_name in sorted(n for n in names if not n.startswith("_")):
        member = getattr(module, member_name, None)
        if inspect.isroutine(member) or inspect.isclass(member):
            yield f"{name}.{member_name}", inspect.getdoc(member) or ""
        if inspect.isclass(member) and not issubclass(member, BaseException):
            for attribute, value in sorted(vars(member).items()):
                if not attribute.startswith("_") and isinstance(value, DOCUMENTED):
                    yield f"{name}.{member_name}.{attribute}", inspect.getdoc(value) or ""
