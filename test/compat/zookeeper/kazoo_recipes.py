"""kazoo, the Python client: its calls and every recipe it has.

  kazoo_recipes.py checks HOSTS   all checks
  kazoo_recipes.py kill HOSTS     recipes at work until stdin is closed, while
                                  the one who started this kills servers
"""

import collections
import os
import sys
import threading
import time
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                '..', 'python'))

# pylint: disable=wrong-import-position
from kazoo.client import KazooClient
from kazoo.exceptions import (BadVersionError, NoAuthError,
                              NoChildrenForEphemeralsError, NodeExistsError,
                              NoNodeError, NotEmptyError, RolledBackError,
                              RuntimeInconsistency)
from kazoo.exceptions import ConnectionLoss, SessionExpiredError
from kazoo.recipe.cache import TreeCache
from kazoo.retry import KazooRetry
from kazoo.security import make_digest_acl

from checks import check, eventually, expect, main, run

PATIENCE = 40


class Client(KazooClient):
  """A started client that tries again what may be tried again."""

  def __init__(self, hosts, **options):
    super().__init__(hosts=hosts, timeout=options.pop('timeout', 10),
                     connection_retry=KazooRetry(max_tries=-1, max_delay=0.5),
                     command_retry=KazooRetry(max_tries=-1, max_delay=0.5),
                     **options)
    self.start(timeout=PATIENCE)

  def __enter__(self):
    return self

  def __exit__(self, *unused):
    self.stop()
    self.close()


def fresh(client):
  """A node of this check alone."""
  return client.create('/kazoo-' + uuid.uuid4().hex)


def raises(kind, function, *arguments, **options):
  try:
    function(*arguments, **options)
  except kind as error:
    return error
  raise AssertionError('no %s' % kind.__name__)


def threads(*functions):
  """Runs all at once; what one raises is raised here."""
  errors = []

  def guarded(function):
    try:
      function()
    except BaseException as error:  # pylint: disable=broad-except
      errors.append(error)
  running = [threading.Thread(target=guarded, args=(f,), daemon=True)
             for f in functions]
  for one in running:
    one.start()
  for one in running:
    one.join(PATIENCE)
    expect(one.is_alive(), False, 'a thread that does not end')
  if errors:
    raise errors[0]


@check
def basic_calls(hosts):
  with Client(hosts) as client:
    root = fresh(client)
    client.create(root + '/a', b'one')
    raises(NodeExistsError, client.create, root + '/a')
    raises(NoNodeError, client.create, root + '/x/y')
    data, stat = client.get(root + '/a')
    expect((data, stat.version, stat.data_length), (b'one', 0, 3), 'get')
    raises(BadVersionError, client.set, root + '/a', b'two', version=4)
    expect(client.set(root + '/a', b'two', version=0).version, 1, 'set')
    client.create(root + '/deep/down/there', makepath=True)
    raises(NotEmptyError, client.delete, root + '/deep')
    children, stat = client.get_children(root, include_data=True)
    expect(sorted(children), ['a', 'deep'], 'children')
    expect((stat.children_count, stat.children_version), (2, 2), 'stat')
    expect(client.create(root + '/s-', sequence=True), root + '/s-0000000002',
           'sequence')
    client.create(root + '/e', ephemeral=True)
    raises(NoChildrenForEphemeralsError, client.create, root + '/e/x')
    path, stat = client.create(root + '/both', b'xy', include_data=True)
    expect((path, stat.data_length), (root + '/both', 2), 'create2')
    expect(client.sync(root), root, 'sync')
    client.delete(root, recursive=True)
    expect(client.exists(root), None, 'exists')


@check
def access_rights(hosts):
  acl = make_digest_acl('ann', 'secret', all=True)
  with Client(hosts) as other, \
      Client(hosts, auth_data=[('digest', 'ann:secret')]) as ann:
    root = fresh(ann)
    ann.create(root + '/a', b'x', acl=[acl])
    raises(NoAuthError, other.get, root + '/a')
    raises(NoAuthError, other.set_acls, root + '/a', [acl])
    expect(ann.get_acls(root + '/a')[0], [acl], 'acls')
    other.add_auth('digest', 'ann:secret')
    expect(other.get(root + '/a')[0], b'x', 'after add_auth')


@check
def transactions(hosts):
  with Client(hosts) as client:
    root = fresh(client)
    transaction = client.transaction()
    transaction.create(root + '/a', b'1')
    transaction.set_data(root + '/a', b'2')
    transaction.check(root + '/a', 1)
    transaction.delete(root + '/a')
    results = transaction.commit()
    expect(results[0], root + '/a', 'create')
    expect((results[1].version, results[2:]), (1, [True, True]), 'the others')
    transaction = client.transaction()
    transaction.create(root + '/a')
    transaction.check(root, 9)
    transaction.create(root + '/b')
    results = transaction.commit()
    expect([type(r) for r in results],
           [RolledBackError, BadVersionError, RuntimeInconsistency], 'failed')
    expect(client.get_children(root), [], 'nothing of it')


@check
def data_and_children_watches(hosts):
  with Client(hosts) as watcher, Client(hosts) as writer:
    root = fresh(writer)
    seen_data, seen_children = [], []

    @watcher.DataWatch(root + '/a')
    def on_data(data, stat):  # pylint: disable=unused-variable
      seen_data.append((data, stat and stat.version))

    @watcher.ChildrenWatch(root)
    def on_children(children):  # pylint: disable=unused-variable
      seen_children.append(sorted(children))

    def until(sequence, last, what):
      eventually(PATIENCE, lambda: sequence and sequence[-1] == last, what)
    until(seen_data, (None, None), 'no node')
    writer.create(root + '/a', b'1')
    until(seen_data, (b'1', 0), 'created')
    until(seen_children, ['a'], 'one child')
    for i in range(50):
      writer.set(root + '/a', b'%d' % i)
    until(seen_data, (b'49', 50), 'the last of many')
    writer.delete(root + '/a')
    until(seen_data, (None, None), 'deleted')
    until(seen_children, [], 'no child')
    versions = [v for _, v in seen_data if v is not None]
    expect(versions, sorted(versions), 'versions never go back')


@check
def lock(hosts):
  with Client(hosts) as client:
    root = fresh(client)
    inside, order = [], []

    def work(name):
      with Client(hosts) as own:
        for _ in range(5):
          with own.Lock(root + '/lock', name):
            inside.append(name)
            expect(inside, [name], 'alone in the lock')
            order.append(name)
            inside.remove(name)
    threads(*[lambda n=n: work('worker-%d' % n) for n in range(4)])
    expect(len(order), 20, 'turns')
    mine = client.Lock(root + '/lock', 'mine')
    expect(mine.acquire(timeout=5), True, 'acquire')
    with Client(hosts) as other:
      expect(other.Lock(root + '/lock').acquire(blocking=False), False, 'taken')
      expect(client.Lock(root + '/lock').contenders(), ['mine'], 'contenders')
    mine.release()


@check
def read_and_write_lock(hosts):
  with Client(hosts) as one, Client(hosts) as two, Client(hosts) as three:
    root = fresh(one)
    first, second = one.ReadLock(root + '/l'), two.ReadLock(root + '/l')
    expect((first.acquire(timeout=5), second.acquire(timeout=5)), (True, True),
           'two readers')
    writer = three.WriteLock(root + '/l')
    expect(writer.acquire(blocking=False), False, 'no writer beside readers')
    first.release()
    second.release()
    expect(writer.acquire(timeout=10), True, 'writer alone')
    expect(one.ReadLock(root + '/l').acquire(blocking=False), False,
           'no reader beside a writer')
    writer.release()


@check
def a_lock_is_free_when_its_holder_is_gone(hosts):
  with Client(hosts) as client:
    root = fresh(client)
    holder = Client(hosts)
    holder.Lock(root + '/l').acquire()
    waiting = client.Lock(root + '/l')
    got = []
    waiter = threading.Thread(target=lambda: got.append(waiting.acquire()),
                              daemon=True)
    waiter.start()
    eventually(PATIENCE, lambda: len(client.get_children(root + '/l')) == 2,
               'both stand in line')
    expect(got, [], 'still held')
    holder.stop()
    holder.close()
    waiter.join(PATIENCE)
    expect(got, [True], 'now ours')


@check
def semaphore(hosts):
  with Client(hosts) as client:
    root = fresh(client)
    inside, most = set(), []
    guard = threading.Lock()

    def work(name):
      with Client(hosts) as own:
        with own.Semaphore(root + '/s', max_leases=2):
          with guard:
            inside.add(name)
            most.append(len(inside))
          with guard:
            inside.remove(name)
    threads(*[lambda n=n: work(n) for n in range(5)])
    expect(len(most), 5, 'all had their turn')
    expect(max(most) <= 2, True, 'two at most')


@check
def leases(hosts):
  import datetime
  with Client(hosts) as client:
    root = fresh(client)
    hour = datetime.timedelta(hours=1)
    expect(bool(client.NonBlockingLease(root + '/l', hour, 'me')), True, 'mine')
    expect(bool(client.NonBlockingLease(root + '/l', hour, 'you')), False,
           'taken')
    many = [bool(client.MultiNonBlockingLease(2, root + '/m', hour, str(i)))
            for i in range(3)]
    expect(many, [True, True, False], 'two of three')


@check
def election(hosts):
  with Client(hosts) as client:
    root = fresh(client)
    led, leading = [], []

    def candidate(name):
      with Client(hosts) as own:
        def lead():
          leading.append(name)
          expect(leading, [name], 'one leads')
          led.append(name)
          leading.remove(name)
        own.Election(root + '/e', name).run(lead)
    threads(*[lambda n=n: candidate('c%d' % n) for n in range(4)])
    expect(sorted(led), ['c0', 'c1', 'c2', 'c3'], 'each led once')


@check
def queues(hosts):
  with Client(hosts) as client:
    root = fresh(client)
    queue = client.Queue(root + '/q')
    for i in range(10):
      queue.put(b'%d' % i, priority=50 if i % 2 else 100)
    got = [queue.get() for _ in range(10)]
    expect(got, [b'1', b'3', b'5', b'7', b'9', b'0', b'2', b'4', b'6', b'8'],
           'by priority, then in order')
    expect(queue.get(), None, 'empty')

    locking = client.LockingQueue(root + '/lq')
    locking.put_all([b'%d' % i for i in range(30)])
    taken, guard = [], threading.Lock()

    def consume():
      with Client(hosts) as own:
        mine = own.LockingQueue(root + '/lq')
        while True:
          item = mine.get(timeout=1)
          if item is None:
            return
          with guard:
            taken.append(item)
          expect(mine.consume(), True, 'consume')
    threads(*[consume] * 3)
    expect(sorted(taken, key=int), [b'%d' % i for i in range(30)],
           'everything once')


@check
def party(hosts):
  with Client(hosts) as client:
    root = fresh(client)
    with Client(hosts) as other:
      mine = client.Party(root + '/p', 'mine')
      theirs = other.Party(root + '/p', 'theirs')
      shallow = client.ShallowParty(root + '/sp', 'mine')
      mine.join()
      theirs.join()
      shallow.join()
      expect(sorted(mine), ['mine', 'theirs'], 'members')
      expect(list(shallow), ['mine'], 'shallow members')
    eventually(PATIENCE, lambda: list(mine) == ['mine'], 'the other has gone')
    mine.leave()
    expect(len(mine), 0, 'left')


@check
def barriers(hosts):
  with Client(hosts) as client:
    root = fresh(client)
    barrier = client.Barrier(root + '/b')
    barrier.create()
    expect(barrier.wait(timeout=0.2), False, 'closed')
    passed = []

    def wait():
      with Client(hosts) as own:
        passed.append(own.Barrier(root + '/b').wait(timeout=PATIENCE))
    waiters = [threading.Thread(target=wait, daemon=True) for _ in range(3)]
    for one in waiters:
      one.start()
    barrier.remove()
    for one in waiters:
      one.join(PATIENCE)
    expect(passed, [True] * 3, 'open')

    inside, seen = [], []

    def both():
      with Client(hosts) as own:
        double = own.DoubleBarrier(root + '/d', num_clients=3)
        double.enter()
        inside.append(1)
        eventually(PATIENCE, lambda: len(inside) == 3, 'all are in')
        seen.append(len(inside))
        double.leave()
    threads(*[both] * 3)
    expect(seen, [3] * 3, 'nobody ran ahead')


@check
def counter(hosts):
  with Client(hosts) as client:
    root = fresh(client)

    def work():
      with Client(hosts) as own:
        mine = own.Counter(root + '/c')
        for _ in range(10):
          mine += 1
    threads(*[work] * 4)
    expect(client.Counter(root + '/c').value, 40, 'counter')
    real = client.Counter(root + '/f', default=0.5)
    real += 1.25
    expect(real.value, 1.75, 'a float')


@check
def partitioner(hosts):
  with Client(hosts) as client:
    root = fresh(client)
    shares, done = {}, threading.Event()
    guard = threading.Lock()

    def work(name):
      with Client(hosts) as own:
        mine = own.SetPartitioner(root + '/p', set=tuple(range(12)),
                                  identifier='worker-%d' % name,
                                  time_boundary=1)
        while not done.is_set():
          if mine.failed:
            raise AssertionError('partitioning failed')
          if mine.release:
            mine.release_set()
          elif mine.acquired:
            with guard:
              shares[name] = list(mine)
              whole = sorted(sum(shares.values(), []))
            if whole == list(range(12)) and len(shares) == 3:
              done.set()
            time.sleep(0.05)
          else:
            mine.wait_for_acquire(1)
    threads(*[lambda n=n: work(n) for n in range(3)])


@check
def tree_cache(hosts):
  with Client(hosts) as client, Client(hosts) as writer:
    root = fresh(writer)
    writer.create(root + '/a/b', b'1', makepath=True)
    cache = TreeCache(client, root)
    cache.start()

    def holds(path, data):
      found = cache.get_data(path)
      return found is not None and found.data == data
    eventually(PATIENCE, lambda: holds(root + '/a/b', b'1'), 'filled')
    writer.set(root + '/a/b', b'2')
    writer.create(root + '/c', b'3')
    eventually(PATIENCE, lambda: holds(root + '/a/b', b'2') and
               holds(root + '/c', b'3'), 'followed')
    writer.delete(root + '/a', recursive=True)
    eventually(PATIENCE, lambda: cache.get_children(root) == {'c'}, 'deleted')
    cache.close()


class Workers:
  """Recipes at work while servers die."""

  def __init__(self, hosts):
    self.hosts = hosts
    self.stop = threading.Event()
    self.errors = []
    self.increments = 0
    self.guard = threading.Lock()
    self.holders = []
    self.put, self.taken, self.unsure = [], collections.Counter(), set()
    with Client(hosts, timeout=20) as client:
      self.root = fresh(client)
      client.create(self.root + '/number', b'0')

  def repeat(self, name, work):
    """Calls work(client) again and again."""
    try:
      with Client(self.hosts, timeout=20) as client:
        while not self.stop.is_set():
          work(client)
    except BaseException as error:  # pylint: disable=broad-except
      self.errors.append('%s: %r' % (name, error))

  def increment(self, client):
    """Adds one under the lock; only a lock that two hold lets one get lost."""
    with client.Lock(self.root + '/lock'):
      with self.guard:
        self.holders.append(client)
        if len(self.holders) != 1:
          self.errors.append('two hold the lock')
      try:
        number, stat = client.retry(client.get, self.root + '/number')
        wanted = b'%d' % (int(number) + 1)
        try:
          client.set(self.root + '/number', wanted, version=stat.version)
        except (ConnectionLoss, SessionExpiredError):
          # It happened or it did not: nobody else may write now.
          client.retry(client.sync, self.root)
          if client.retry(client.get, self.root + '/number')[0] != wanted:
            return
        with self.guard:
          self.increments += 1
      finally:
        with self.guard:
          self.holders.remove(client)

  def produce(self, client):
    item = uuid.uuid4().hex.encode()
    try:
      client.LockingQueue(self.root + '/queue').put(item)
      self.put.append(item)
    except (ConnectionLoss, SessionExpiredError):
      pass  # unknown
    self.stop.wait(0.01)

  def consume(self, client):
    queue = client.LockingQueue(self.root + '/queue')
    item = None
    try:
      item = queue.get(timeout=0.5)
      if item is not None and queue.consume():
        self.taken[item] += 1
    except (ConnectionLoss, SessionExpiredError):
      self.unsure.add(item)  # taken, or still there

  def progress(self):
    return self.increments, sum(self.taken.values())


def kill(hosts):
  """The one who kills reads a line for each time everything has gone on."""
  workers = Workers(hosts)
  running = []
  for name, work in [('lock', workers.increment)] * 3 + [
      ('produce', workers.produce), ('consume', workers.consume)]:
    running.append(threading.Thread(target=workers.repeat, args=(name, work),
                                    daemon=True))
    running[-1].start()
  with Client(hosts, timeout=20) as client:
    member = client.Party(workers.root + '/party', 'me')
    member.join()
    seen = []
    client.DataWatch(workers.root + '/number',
                     lambda data, stat: seen.append(data))

    def go_on():
      before = workers.progress()
      eventually(60, lambda: all(
          now > old + 3 for now, old in zip(workers.progress(), before)) or
                 workers.errors, 'locks and queues go on')
    go_on()
    print('at work', flush=True)
    for _ in sys.stdin:  # a line for each kill
      go_on()
      print('went on', flush=True)
    workers.stop.set()
    for one in running:
      one.join(60)
      expect(one.is_alive(), False, 'a worker that does not end')
    expect(workers.errors, [], 'errors')
    client.retry(client.sync, workers.root)
    number = client.retry(client.get, workers.root + '/number')[0]
    expect(int(number), workers.increments, 'increments')
    eventually(PATIENCE, lambda: seen[-1] == number, 'the watch has seen it')
    expect(list(member), ['me'], 'the party')
    queue = client.LockingQueue(workers.root + '/queue')
    while True:
      item = queue.get(timeout=2)
      if item is None:
        break
      workers.taken[item] += 1
      queue.consume()
    lost = [item for item in workers.put
            if workers.taken[item] == 0 and item not in workers.unsure]
    expect(lost, [], 'items that were lost')
    twice = [item for item, count in workers.taken.items() if count > 1]
    expect(twice, [], 'items taken twice')
    expect(len(workers.unsure) < 10, True, 'few outcomes are unknown')
    print('%d increments, %d items' % (workers.increments, len(workers.put)))
  return 0


if __name__ == '__main__':
  main({'checks': run, 'kill': kill})
