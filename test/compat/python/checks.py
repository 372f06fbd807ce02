"""Runs the checks of a client, one line each, and says how many failed."""

import os
import sys
import time
import traceback

CHECKS = []


def check(function):
  """Marks a function that is handed the bootstrap addresses as a check."""
  CHECKS.append(function)
  return function


def run(bootstrap):
  """All checks; only=NAME in the environment runs one. Returns an exit code."""
  failed = []
  for function in CHECKS:
    if os.environ.get('only', function.__name__) != function.__name__:
      continue
    start = time.monotonic()
    try:
      function(bootstrap)
    except Exception:  # pylint: disable=broad-except
      traceback.print_exc()
      failed.append(function.__name__)
      print('FAILED', function.__name__, flush=True)
      continue
    print('ok %s (%.1f s)' % (function.__name__, time.monotonic() - start),
          flush=True)
  print('%d checks, %d failed %s' % (len(CHECKS), len(failed),
                                     ' '.join(failed)))
  return 1 if failed else 0


def expect(actual, wanted, what):
  if actual != wanted:
    raise AssertionError('%s: got %r, wanted %r' % (what, actual, wanted))


def eventually(seconds, done, what):
  """Polls `done` until it gives something true, and returns that."""
  end = time.monotonic() + seconds
  while True:
    result = done()
    if result:
      return result
    if time.monotonic() > end:
      raise AssertionError('not within %d s: %s' % (seconds, what))
    time.sleep(0.1)


def say(topic, partition, offset, value):
  """One delivery line for the test that started this program."""
  sys.stdout.write('%s\t%d\t%d\t%s\n' % (topic, partition, offset, value))


def main(commands):
  """PROGRAM COMMAND ARGUMENTS..."""
  if len(sys.argv) < 2 or sys.argv[1] not in commands:
    sys.exit('commands: ' + ', '.join(commands))
  sys.stdout.reconfigure(line_buffering=True)
  sys.exit(commands[sys.argv[1]](*sys.argv[2:]))
