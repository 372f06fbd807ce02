#include "base/strand.h"

#include <pthread.h>

#include <utility>

namespace sillok {

Executor::Executor(const std::string& name, int threads) {
  for (int i = 0; i < threads; ++i) {
    threads_.emplace_back([this] { Run(); });
    pthread_setname_np(threads_.back().native_handle(),
                       name.substr(0, 15).c_str());
  }
}

Executor::~Executor() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Executor::Post(Task task) {
  {
    std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
  }
  wake_.notify_one();
}

void Executor::Run() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stopping_ || !tasks_.empty(); });
    if (tasks_.empty()) return;
    Task task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    task();
    task = nullptr;
    lock.lock();
  }
}

struct Strand::Queue {
  std::mutex mutex;
  std::deque<Task> tasks;
  // A thread is draining, or a drain is posted. Whoever sets it drains.
  bool active = false;
};

namespace {
thread_local const void* running_queue = nullptr;
}  // namespace

Strand::Strand(Executor* executor)
    : executor_(executor), queue_(std::make_shared<Queue>()) {}

void Strand::Post(Task task) {
  {
    std::lock_guard lock(queue_->mutex);
    queue_->tasks.push_back(std::move(task));
    if (queue_->active) return;
    queue_->active = true;
  }
  executor_->Post([queue = queue_] { Drain(queue); });
}

void Strand::Dispatch(Task task) {
  std::shared_ptr<Queue> queue = queue_;
  {
    std::lock_guard lock(queue->mutex);
    queue->tasks.push_back(std::move(task));
    if (queue->active) return;
    queue->active = true;
  }
  Drain(queue);
}

bool Strand::RunningHere() const { return running_queue == queue_.get(); }

void Strand::Drain(const std::shared_ptr<Queue>& queue) {
  // A task may Dispatch to another strand, which drains inside this one.
  const void* outer = std::exchange(running_queue, queue.get());
  std::unique_lock lock(queue->mutex);
  while (!queue->tasks.empty()) {
    Task task = std::move(queue->tasks.front());
    queue->tasks.pop_front();
    lock.unlock();
    task();
    task = nullptr;  // captured owners go while the strand is still held
    lock.lock();
  }
  queue->active = false;
  lock.unlock();
  running_queue = outer;
}

}  // namespace sillok
