"""The ``recipe`` command. One file a verb; each is thin, and imports what it needs only when it runs."""

from __future__ import annotations

import errno
import os
import sys
import tempfile
import time
import traceback

import typer

from recipe_engine import __version__
from recipe_engine.cli import (
    explain,
    fix,
    inspect,
    lint,
    logs,
    plan,
    resume,
    run,
    schema,
    single,
    status,
    stop,
    submit,
    train,
    wait,
)
from recipe_engine.cli.output import write

EXIT_FINDINGS = 1
EXIT_BUG = 3
EXIT_INTERRUPTED = 130

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Turns validated YAML recipes into trained language models.",
)
for verb in (lint, fix, explain, schema, plan, inspect, train, submit, run, single, status, logs, stop, resume, wait):
    verb.register(app)


@app.callback(invoke_without_command=True)
def root(version: bool = typer.Option(False, "--version", help="Show the version and exit.", is_eager=True)) -> None:
    """Answer --version before any verb is asked for."""
    if version:
        typer.echo(f"recipe-engine {__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command line. A bug of the engine's own ends with a log file and exit code 3."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    except BrokenPipeError:
        # The reader (head, less) left: there is nobody to tell, and the interpreter must not try at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(EXIT_FINDINGS)
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EIO, errno.EDQUOT}:
            sys.exit(_report_bug())
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        print(f"recipe: the output cannot be written: {error.strerror}", file=sys.stderr)
        sys.exit(EXIT_FINDINGS)
    except Exception:  # noqa: BLE001 # the one place that turns a bug into a report
        sys.exit(_report_bug())


def _report_bug() -> int:
    from recipe_engine.diagnostics.redact import redact

    text = redact(f"recipe-engine {__version__}\nPython {sys.version}\ncommand: {sys.argv}\n\n{traceback.format_exc()}")
    name = f"recipe-engine-crash-{time.strftime('%Y%m%d-%H%M%S')}-"
    with tempfile.NamedTemporaryFile("wb", prefix=name, suffix=".log", delete=False) as stream:
        stream.write(text.encode(errors="backslashreplace"))
    last = text.strip().splitlines()[-1]
    write(f"recipe: a bug of recipe-engine: {last}\nPlease report it with the file {stream.name}", err=True)
    return EXIT_BUG
