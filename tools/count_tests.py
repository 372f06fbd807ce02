"""Counts test cases of a Bazel run from its build events.

usage: count_tests.py EVENTS.json BAZEL_EXIT_CODE
Prints what failed and, last, "N passed, N failed"; exits non-zero when a test or
the build failed.
"""

import json
import os
import sys
import urllib.parse
import xml.etree.ElementTree as ElementTree


def cases(path):
    """(passed, names of failed) of one test.xml."""
    passed, failed = 0, []
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            failed.append("%s.%s" % (case.get("classname", ""),
                                     case.get("name", "")))
        elif case.get("status", "run") == "run" and case.find("skipped") is None:
            passed += 1
    return passed, failed


def main():
    passed, failed = 0, []
    with open(sys.argv[1], encoding="utf-8") as events:
        for line in events:
            event = json.loads(line)
            label = event.get("id", {}).get("testResult", {}).get("label")
            if label is None or "testResult" not in event:
                continue
            result = event["testResult"]
            good = result.get("status") in ("PASSED", "FLAKY")
            names = []
            for output in result.get("testActionOutput", []):
                path = urllib.parse.unquote(
                    urllib.parse.urlparse(output.get("uri", "")).path)
                if output["name"] == "test.xml" and os.path.exists(path):
                    try:
                        count, names = cases(path)
                        passed += count
                    except ElementTree.ParseError:
                        pass
            if not good and not names:
                names = [result.get("status", "FAILED")]
            failed += ["%s %s" % (label, name) for name in names]
    for name in failed:
        print("FAILED " + name)
    code = int(sys.argv[2])
    if code != 0 and not failed:
        print("the build failed, or Bazel could not run (exit code %d)" % code)
        failed = ["build"]
    print("%d passed, %d failed" % (passed, len(failed)))
    sys.exit(1 if failed or code != 0 else 0)


main()
