"""Writes copies of source files into which the bugs of a list can be planted.

usage: plant_bugs.py bugs.txt out_folder file...

In the copies, a function that has bugs begins with one copy of its body for
each of them: the one that runs is decided by sillok::Planted(name).
"""
import collections
import os
import sys

Bug = collections.namedtuple("Bug", "name file function was now")


def read_bugs(path):
    bugs = []
    for line in open(path):
        if line.startswith("=== "):
            words = [word.strip() for word in line[4:].split("|")]
            bugs.append(Bug(*words, was=[], now=[]))
            part = bugs[-1].was
        elif line == "---\n":
            part = bugs[-1].now
        elif bugs:
            part.append(line)
    strip = lambda lines: "".join(lines).strip("\n")
    return [b._replace(was=strip(b.was), now=strip(b.now)) for b in bugs]


def find_function(text, name):
    """Where its first line begins, and where its body does and ends."""
    at = text.index(f" {name}(")
    # A call ends with a semicolon before any body begins.
    while text.find(";", at) < text.find("{\n", at):
        at = text.index(f" {name}(", at + 1)
    begin = text.rindex("\n", 0, at) + 1
    body = text.index("{\n", at) + 2
    line = text[begin:]
    indent = line[:len(line) - len(line.lstrip(" "))]
    return begin, body, text.index(f"\n{indent}}}\n", body) + 1


def plant(text, function, bugs):
    begin, body, end = find_function(text, function)
    returns_nothing = text[begin:].lstrip(" ").startswith("void ")
    copies = []
    for bug in bugs:
        original = text[body:end]
        if original.count(bug.was) != 1:
            sys.exit(f"{bug.name}: its lines occur {original.count(bug.was)} "
                     f"times in {function}")
        copies.append(f"  if (Planted(\"{bug.name}\")) {{\n"
                      + original.replace(bug.was, bug.now)
                      + ("  return;\n" if returns_nothing else "") + "  }\n")
    return text[:body] + "".join(copies) + text[body:]


def main():
    bugs_path, out_folder, *sources = sys.argv[1:]
    bugs = read_bugs(bugs_path)
    names = [bug.name for bug in bugs]
    if len(set(names)) != len(names):
        sys.exit("two bugs of one name")
    files = {os.path.basename(source): open(source).read()
             for source in sources}
    by_function = collections.defaultdict(list)
    for bug in bugs:
        by_function[bug.file, bug.function].append(bug)
    for (file, function), its_bugs in by_function.items():
        files[file] = plant(files[file], function, its_bugs)
    for file, text in files.items():
        with open(os.path.join(out_folder, file), "w") as out:
            out.write('#include "test/support/planted_bugs/planted.h"\n')
            out.write(text)


main()
