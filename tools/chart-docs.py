#!/usr/bin/env python3
"""README.md and values.schema.json of our own charts, from the comments in their values.yaml.

    python3 tools/chart-docs.py [--check] [CHART...]

Written for the values that we write: maps, scalars, and lists or maps of one
line. Above a key, `# -- text` says what it is (further comment lines go on),
and `# @schema {...}` adds to its schema. The comment at the top of the file
is the chart's prose. A key without `# --` is a mistake. --check only compares.
"""
import json
import os
import re
import sys

ROOT = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "helm-charts")
KEY = re.compile(r"^( *)([A-Za-z][A-Za-z0-9_-]*):(?: +(.*))?$")


def fail(path, number, text):
    sys.exit(f"{path}:{number}: error: {text}")


def scalar(text):
    """A value of one line as YAML reads it, as far as ours go."""
    if text.startswith(("[", "{")):
        if text.startswith("{") and len(text) > 2:
            items = [item.split(":", 1) for item in text[1:-1].split(",")]
            return {key.strip(): scalar(value.strip()) for key, value in items}
        return [scalar(item.strip()) for item in text[1:-1].split(",") if item.strip()] if text[0] == "[" else {}
    if text.startswith('"'):
        return json.loads(text)
    if text in ("true", "false"):
        return text == "true"
    return int(text) if re.fullmatch(r"-?(0|[1-9][0-9]*)", text) else text


class Entry:
    def __init__(self, key, text, schema, documented):
        self.key, self.text, self.schema, self.documented = key, text, schema, documented
        self.children, self.value = [], None


def parse(path):
    """The prose at the top, and the tree of entries."""
    root = Entry("", "", {}, False)
    stack, comment, extra, prose, documented = [(-1, root)], [], {}, None, False
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    for number, line in enumerate(lines, 1):
        stripped = line.strip()
        if not stripped:
            if prose is None and comment:
                prose = comment
            comment, extra, documented = [], {}, False
        elif stripped.startswith("# @schema "):
            extra = json.loads(stripped[len("# @schema "):])
        elif stripped.startswith("# -- "):
            comment, documented = [stripped[5:]], True
        elif stripped.startswith("#"):
            comment.append(stripped[2:] if stripped.startswith("# ") else stripped[1:])
        else:
            found = KEY.match(line)
            if not found:
                fail(path, number, "expected `key:` or `key: value` on one line")
            indent, key, value = len(found[1]), found[2], found[3]
            while stack[-1][0] >= indent:
                stack.pop()
            entry = Entry(key, re.sub(r"\s+", " ", " ".join(comment)) if documented else "", extra, documented)
            entry.value = None if value is None else scalar(value)
            stack[-1][1].children.append(entry)
            stack.append((indent, entry))
            comment, extra, documented = [], {}, False
    return prose or [], root


def is_free(entry):
    """A map that is one value, such as resources: documented as a whole."""
    return entry.documented and entry.children


def value_of(entry):
    return {c.key: value_of(c) for c in entry.children} if entry.children else ({} if entry.value is None else entry.value)


def schema_of(entry):
    if entry.children and not is_free(entry):
        known = {c.key: schema_of(c) for c in entry.children}
        return {"type": "object", "additionalProperties": False, "properties": known}
    value = value_of(entry)
    kinds = {bool: "boolean", int: "integer", str: "string", list: "array", dict: "object"}
    made = {"type": kinds[type(value)]}
    if isinstance(value, list) and (not value or isinstance(value[0], str)):
        # names; tolerations and the like are objects
        made["items"] = {"type": "object"} if entry.key == "tolerations" else {"type": "string"}
    if entry.text:
        made["description"] = entry.text
    made.update(entry.schema)
    return made


def schema_text(root, name):
    schema = {"$schema": "http://json-schema.org/draft-07/schema#", "title": f"Values of the chart {name}"}
    schema.update(schema_of(root))
    # what Helm itself puts there
    schema["properties"]["global"] = {"type": "object"}
    return json.dumps(schema, indent=2) + "\n"


def rows(entry, prefix, path):
    for child in entry.children:
        place = prefix + child.key
        if child.children and not is_free(child):
            yield from rows(child, place + ".", path)
            continue
        if not child.documented:
            sys.exit(f"{path}: error: {place} has no comment that begins with `# --`")
        default = json.dumps(value_of(child), ensure_ascii=False)
        text = child.text.replace("|", "\\|")
        if "enum" in child.schema:
            text += " One of " + ", ".join(f"`{v}`" if v != "" else "nothing" for v in child.schema["enum"]) + "."
        yield f"| `{place}` | `{default}` | {text} |"


def about(folder):
    with open(os.path.join(folder, "Chart.yaml"), encoding="utf-8") as file:
        pairs = (line.split(":", 1) for line in file if ":" in line and not line.startswith((" ", "#")))
        return {key.strip(): value.strip().strip('"') for key, value in pairs}


def prose_text(lines):
    """Indented lines become a block of shell; the rest is filled as it stands."""
    out, block = [], False
    for line in lines:
        code = line.startswith("    ")
        if code != block and line:
            if block and not out[-1]:
                out.pop()
            out.append("```" if block else "```sh")
            block = code
        out.append(line[4:] if code else line)
    if block:
        out.append("```")
    return "\n".join(out)


def readme_text(folder, prose, root, path):
    chart = about(folder)
    table = "\n".join(rows(root, "", path))
    return f"""# {chart['name']}

{chart['description']}.

Chart {chart['version']}, of {chart['name']} {chart['appVersion']}; Kubernetes {chart['kubeVersion'].replace('-0', '')}.

{prose_text(prose) + chr(10) * 2 if prose else ''}Pods pass PodSecurity `restricted`. A value that is not in the table below, or of another type, is refused
(`values.schema.json`).

## Install
```sh
data-mill charts package --output dist/charts && data-mill charts index dist/charts
data-mill charts serve dist/charts &
helm repo add mill http://127.0.0.1:8879
helm install {chart['name']} mill/{chart['name']}
```
or from this folder: `helm install {chart['name']} helm-charts/{chart['name']}`.

## Values
| value | default | |
|---|---|---|
{table}

Made from the comments in values.yaml by tools/chart-docs.py.
"""


def main():
    check = "--check" in sys.argv[1:]
    names = [a for a in sys.argv[1:] if not a.startswith("-")]
    if not names:
        names = sorted(n for n in os.listdir(ROOT) if os.path.exists(os.path.join(ROOT, n, "Chart.yaml")))
    stale = []
    for name in names:
        folder = os.path.join(ROOT, name)
        path = os.path.join(folder, "values.yaml")
        prose, root = parse(path)
        made = {"README.md": readme_text(folder, prose, root, path), "values.schema.json": schema_text(root, name)}
        for file, text in made.items():
            target = os.path.join(folder, file)
            old = open(target, encoding="utf-8").read() if os.path.exists(target) else None
            if old == text:
                continue
            stale.append(os.path.relpath(target))
            if not check:
                with open(target, "w", encoding="utf-8") as out:
                    out.write(text)
    for file in stale:
        print(f"{file} {'is stale' if check else 'written'}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
