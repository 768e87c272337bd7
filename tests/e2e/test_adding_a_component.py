"""docs/adding-a-component.md, done as it says: its files are written, its commands run, what they print is what it shows."""

import re
import subprocess

from conftest import ROOT, module_mill  # noqa: F401 (a fixture)

PAGE = ROOT / "docs" / "adding-a-component.md"


def steps():
    """(file, text) for a block with a file's name, (None, [(command, [lines])]) for a console."""
    for kind, name, text in re.findall(r"^```(\w+) ?(\S*)\n(.*?)^```", PAGE.read_text(), re.M | re.S):
        if name:
            yield name, text
        elif kind == "console":
            commands = []
            for line in text.splitlines():
                if line.startswith("$ "):
                    commands.append((line[2:], []))
                else:
                    commands[-1][1].append(line)
            yield None, commands


def fits(wanted, got):
    """`...` alone stands for any lines, inside a line for any text."""
    pattern = "".join(r"(?:.*\n)*" if w == "..." else r".*".join(map(re.escape, w.split("..."))) + r"\n" for w in wanted)
    return re.fullmatch(pattern, got)


def test_the_page(module_mill, tmp_path):  # noqa: F811
    mill = module_mill
    (mill.home / "bin").mkdir()
    (mill.home / "bin" / "data-mill").symlink_to(mill.program)
    env = mill.env | {"PATH": f"{mill.home}/bin:{mill.env['PATH']}"}
    where = mill.home
    for name, step in steps():
        if name:
            (where / name).parent.mkdir(parents=True, exist_ok=True)
            (where / name).write_text(step)
            continue
        for command, wanted in step:
            done = subprocess.run(["bash", "-c", command], cwd=where, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=300)
            assert done.returncode == 0, (command, done)
            if "&& cd mine" in command:
                where = where / "mine"
                continue
            assert fits(wanted, done.stdout), f"$ {command}\n{done.stdout}\n--- err\n{done.stderr}\n--- the page says\n" + "\n".join(wanted)
    mill("destroy", "--yes", "--delete-data", cwd=where)
