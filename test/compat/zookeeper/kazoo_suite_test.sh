#!/usr/bin/env bash
# kazoo's own tests, all of them; those of kazoo_known.txt may fail.
SILLOK_COORDINATOR=$PWD/coordinator/sillok-coordinator \
  KNOWN=test/compat/zookeeper/kazoo_known.txt \
  LOGS=${TEST_UNDECLARED_OUTPUTS_DIR:-$TEST_TMPDIR} \
  test/compat/zookeeper/kazoo_suite.sh own
