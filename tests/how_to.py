"""Follow a how-to page to the letter, in a copy of the project: what it writes is written, what it runs is run.

A fenced block of a page says what it is by its info string:

=================================  =========================================================================
```` ```yaml title="path" ````      a whole file; ``encoding="gb18030"`` where it is not UTF-8
```` ```csv append="path" ````      lines for the end of a file
```` ```diff ````                   a change of files that are there
```` ```bash ````                   commands, run one block at a time
```` ```console ````                lines that the commands before it must have printed; ``…`` stands for anything
=================================  =========================================================================
"""

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
ROOMS = ("property_credit", "scoring", "simulation", "dags", "dbt_project", "expectations", "tests", "pyproject.toml")
FENCE = re.compile(r"^( *)```(\w+)([^\n]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One fenced block of a page: its language, what its info string says, and its text without indentation."""

    language: str
    says: dict[str, str]
    text: str


def blocks(page: str) -> list[Block]:
    """Return the fenced blocks of ``docs/<page>`` in their order."""
    text = (PROJECT / "docs" / page).read_text("utf-8")
    return [
        Block(language, dict(re.findall(r'(\w+)="([^"]*)"', info)), re.sub(rf"^{indent}", "", body, flags=re.MULTILINE))
        for indent, language, info, body in FENCE.findall(text)
    ]


class Copy:
    """A copy of the project in ``folder`` that a page is followed in, with a DATA_DIR of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        ignored = shutil.ignore_patterns("__pycache__", "target", "logs")
        for room in ROOMS:
            source = PROJECT / room
            shutil.copytree(source, folder / room, ignore=ignored) if source.is_dir() else shutil.copy(source, folder)
        (folder / "bin").mkdir()
        for name, module in (("property-credit", "property_credit.cli.main"), ("pytest", "pytest")):
            command = folder / "bin" / name
            command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m {module} "$@"\n', "utf-8")
            command.chmod(0o755)

    def run(self, script: str) -> str:
        """Run the lines of a shell script and return all they printed; raises AssertionError when one fails."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.folder,
            env={
                "PATH": f"{self.folder / 'bin'}:/usr/bin:/bin",
                "HOME": str(self.folder),
                "DATA_DIR": str(self.folder / "data"),
                "COLUMNS": "200",
                "NO_COLOR": "1",
                "DO_NOT_TRACK": "1",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout[-4000:]}"
        return done.stdout

    def follow(self, page: str, *, without: tuple[str, ...] = ()) -> str:
        """Do what ``docs/<page>`` says, block after block, and return all that was printed.

        Args:
            page: file name of the page.
            without: languages whose blocks are passed over.
        """
        printed, latest = "", ""
        for block in blocks(page):
            if block.language in without:
                continue
            if "title" in block.says:
                self._write(block)
            elif "append" in block.says:
                with open(self.folder / block.says["append"], "a", encoding="utf-8") as handle:
                    handle.write(block.text)
            elif block.language == "diff":
                applying = ["git", "apply", "--recount", "--whitespace=nowarn", "-"]
                done = subprocess.run(applying, cwd=self.folder, input=block.text, capture_output=True, text=True)
                assert done.returncode == 0, f"{page}: {done.stderr}\n{block.text}"
            elif block.language == "bash":
                latest = self.run(block.text)
                printed += latest
            elif block.language == "console":
                _expect(block.text, latest, page)
        return printed

    def _write(self, block: Block) -> None:
        path = self.folder / block.says["title"]
        assert not path.exists(), f"{path} is there already"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, block.says.get("encoding", "utf-8"))

    def stop(self) -> None:
        """Stop the copy's database, if it has started one."""
        self.run("property-credit warehouse stop")


def _expect(lines: str, printed: str, page: str) -> None:
    """Every line of a console block stands in what was printed, in whatever column."""
    squeezed = " ".join(printed.split())
    for line in lines.splitlines():
        pattern = ".*?".join(re.escape(" ".join(part.split())) for part in line.split("…"))
        assert re.search(pattern, squeezed), f"{page}: not printed: {line}\n{printed[-4000:]}"
