#!/usr/bin/env python3
"""Writes what the program says of itself into docs/cli.md and docs/charts.md, and docs/man/data-mill.1 from the first.

    tools/make-docs.py PROGRAM [--check]      --check changes nothing: exit 1 and the names of what is stale

The page's hand-written parts are kept; what stands between `<!-- NAME: written ... -->` and `<!-- end -->` is replaced.
The man page is the whole of docs/cli.md in roff, so that both say the same.
"""

import json
import re
import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE, MAN = ROOT / "docs" / "cli.md", ROOT / "docs" / "man" / "data-mill.1"
CHARTS = ROOT / "docs" / "charts.md"


# ---- docs/cli.md ----
def cell(text):
    return re.sub(r"(?<!`)(--[a-z][a-z-]*)(?!`)", r"`\1`", text).replace("|", "\\|")


def options(table):
    rows = [f"| `{o['label']}` | {cell(o['help'])}{' (' + cell(o['choices']) + ')' if o['choices'] else ''} |" for o in table]
    return "\n".join(["| option | meaning |", "|---|---|", *rows])


def command(c, level):
    usage = f" {c['usage']}" if c["usage"] else ""
    text = c["description"]
    if text == c["summary"]:
        text = f"{text[0].upper()}{text[1:]}."
    parts = [f"{'#' * level} {c['name']}{usage}".replace("|", "\\|"), text]
    if c["options"]:
        parts.append(options(c["options"]))
    if c["examples"] and not c["subcommands"]:
        parts.append(f"```sh\n{c['examples']}\n```")
    return parts + [part for s in c["subcommands"] for part in command(s, level)]


def sections(told):
    """NAME -> text of each part that is written here."""
    groups, out = dict.fromkeys(c["group"] for c in told["commands"]), []
    for group in groups:
        out.append(f"## {group} commands")
        for c in told["commands"]:
            if c["group"] == group:
                out += command(c, 3)
    original = ["| flags | meaning |", "|---|---|"] + [f"| `{f['flags']}` | {f['help']} |" for f in told["original"]]
    return {"original": "\n".join(original).replace("[net|app]", "[net\\|app]"), "options": options(told["options"]), "commands": "\n\n".join(out)}


# ---- docs/charts.md ----
def ways(program):
    """The table of what runs how, from the manifests."""
    def ask(*words):
        return json.loads(subprocess.run([program, *words, "--json"], capture_output=True, text=True, check=True, cwd=ROOT).stdout)

    charts = {}
    for c in ask("charts", "list"):
        name = f"{c['chart'] or ('kustomize' if c['layer'] == 'cluster' else 'objects of ours')}{' ' + c['version'] if c['version'] else ''}"
        charts.setdefault(c["component"], []).append(name + (" (cluster)" if c["layer"] == "cluster" else ""))
    notes = {c["component"]: c["note"] for c in ask("charts", "list")}
    rows = ["| component | generic | chart | which | on the chart |", "|---|---|---|---|---|"]
    for c in ask("component", "list"):
        if "kubernetes" not in c["targets"] or not (c["name"] in charts or c["services"]):
            continue
        generic = (c["generic_tested"] or "not tried") if c["services"] else "-"
        chart = (c["chart_tested"] or "not tried") if c["name"] in charts else "-"
        bold = {c["deployment"]: "**"}
        cells = [c["name"], f"{bold.get('generic', '')}{generic}{bold.get('generic', '')}", f"{bold.get('chart', '')}{chart}{bold.get('chart', '')}",
                 ", ".join(charts.get(c["name"], [])), cell(notes.get(c["name"]) or "")]
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)


def fill(page, parts):
    for name, text in parts.items():
        pattern = re.compile(rf"(<!-- {name}: [^\n]*-->\n).*?(<!-- end -->)", re.S)
        assert pattern.search(page), f"{PAGE}: the mark of {name} is gone"
        page = pattern.sub(lambda m: f"{m[1]}\n{text}\n\n{m[2]}", page)
    return page


# ---- docs/man/data-mill.1 ----
def roff(text):
    """A line of Markdown: code is bold, links are their text."""
    text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", text).replace("\\|", "|").replace("\\", "\\e").replace("-", "\\-")
    text = re.sub(r"`([^`]*)`|\*\*([^*]*)\*\*", lambda m: f"\\fB{m[1] or m[2]}\\fR", text)
    return re.sub(r"^([.'])", r"\\&\1", text)


def prose(lines):
    """Text in lines of at most 78, of which none begins as a request."""
    wrapped = textwrap.wrap(roff(" ".join(line.strip() for line in lines)), 78, break_long_words=False, break_on_hyphens=False)
    return "\n".join(re.sub(r"^([.'])", r"\\&\1", line) for line in wrapped)


def blocks(page):
    """Paragraphs, tables, lists, code and headings, as (kind, lines)."""
    for block in re.findall(r"```.*?```|(?:[^\n]+\n)+", re.sub(r"<!--.*?-->\n?", "", page), re.S):
        lines = block.strip("\n").split("\n")
        kind = {"#": "heading", "|": "table", "-": "list", "`": "code" if block.startswith("```") else "text"}.get(lines[0][0], "text")
        yield kind, lines


def man_page(page):
    out = [
        ".\\\" written by tools/make-docs.py from docs/cli.md",
        '.TH DATA\\-MILL 1 2026-11-25 "data\\-mill" "User Commands"',
        ".SH NAME",
        "data\\-mill \\- turn a short YAML flavour into a running data platform",
        ".SH SYNOPSIS",
        ".B data\\-mill\n.I COMMAND\n.RI [ options ]",
        ".br\n.B data\\-mill\n.I LOCATION ACTION\n.RI [ options ]",
        ".SH DESCRIPTION",
    ]
    for kind, lines in blocks(page):
        if kind == "heading":
            level, _, title = lines[0].partition(" ")
            if level != "#":
                title = title.upper() if level == "##" else f"data-mill {title}"
                out.append(f'.{"SH" if level == "##" else "SS"} "{roff(title)}"')
        elif kind == "table":
            for line in lines[2:]:
                label, text = (c.strip() for c in re.split(r"(?<!\\)\|", line)[1:3])
                out.append(f".TP\n{roff(label)}\n{prose([text])}")
            out.append(".PP")
        elif kind == "list":
            for item in re.split(r"\n(?=- )", "\n".join(lines)):
                out.append(".IP \\(bu 2\n" + prose(item[2:].split("\n")))
            out.append(".PP")
        elif kind == "code":
            out.append(".PP\n.nf\n.RS 4\n" + "\n".join(roff(l) for l in lines[1:-1]) + "\n.RE\n.fi")
        else:
            # a paragraph needs no mark behind a heading
            out.append(("" if out[-1].startswith(".S") or out[-1] == ".PP" else ".PP\n") + prose(lines))
    text = "\n".join(out) + "\n"
    # .PP before a heading or another mark says nothing
    return re.sub(r"(?m)^\.PP\n(?=\.(?:S[HS]|PP|TP|IP)\b|\Z)", "", text)


def main():
    program, check = sys.argv[1], "--check" in sys.argv[2:]
    told = json.loads(subprocess.run([program, "help", "--json"], capture_output=True, text=True, check=True).stdout)
    page = fill(PAGE.read_text(), sections(told))
    stale = []
    for path, text in ((PAGE, page), (MAN, man_page(page)), (CHARTS, fill(CHARTS.read_text(), {"charts": ways(program)}))):
        if not path.exists() or path.read_text() != text:
            stale.append(path)
            if not check:
                path.write_text(text)
    for path in stale:
        print(path.relative_to(ROOT), "is stale: run tools/make-docs.py" if check else "written")
    return 1 if check and stale else 0


sys.exit(main())
