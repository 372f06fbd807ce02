#include "coordinator/server/pending_requests.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace sillok::coord {

void PendingRequests::AddForwarded(Ticket ticket) {
  Slot slot{Slot::Kind::kForwarded};
  slot.ticket = ticket;
  slots_.push_back(std::move(slot));
  ++undecided_;
}

void PendingRequests::AddLocal(v1::SessionRequest request,
                               int64_t since_ms) {
  Slot slot{Slot::Kind::kLocal};
  slot.request = std::move(request);
  slot.since_ms = since_ms;
  slots_.push_back(std::move(slot));
}

bool PendingRequests::Resolve(Ticket ticket, Zxid applied,
                              v1::SessionResponse response) {
  // Nearly always the first one.
  auto it = std::find_if(slots_.begin(), slots_.end(), [&](const Slot& slot) {
    return slot.kind == Slot::Kind::kForwarded && slot.ticket == ticket;
  });
  if (it == slots_.end()) return false;
  it->kind = Slot::Kind::kReady;
  // What happens before it is sent comes behind it.
  if (it->overtook_at) response.set_zxid(applied.value());
  it->messages.push_back(std::move(response));
  --undecided_;
  return true;
}

void PendingRequests::ExecuteBefore(Ticket ticket, Zxid applied,
                                    const Execute& execute) {
  bool undecided = false;
  for (Slot& slot : slots_) {
    if (slot.kind == Slot::Kind::kForwarded) {
      if (slot.ticket == ticket) {
        if (undecided) SetOvertook(&slot, applied);
        return;
      }
      undecided = true;
    }
    if (slot.kind != Slot::Kind::kLocal) continue;
    execute(slot.request, slot.since_ms, &slot.messages);
    slot.request.Clear();
    slot.kind = Slot::Kind::kReady;
    SetOvertook(&slot, applied);
  }
}

void PendingRequests::SetOvertook(Slot* slot, Zxid applied) {
  slot->overtook_at = applied;
  ++overtaking_;
}

void PendingRequests::AddEvent(v1::SessionResponse event, Messages* out) {
  if (overtaking_ == 0) {
    out->push_back(std::move(event));
    return;
  }
  // Such a read was made before this change, and may be the one that set the
  // watch; such a write made a change whose event must come first. The event
  // follows the last of them.
  for (size_t i = slots_.size(); i-- > 0;) {
    if (!slots_[i].overtook_at) continue;
    slots_[i].messages.push_back(std::move(event));
    return;
  }
}

void PendingRequests::Flush(const Execute& execute, Messages* out) {
  while (!slots_.empty()) {
    Slot& slot = slots_.front();
    if (slot.kind == Slot::Kind::kForwarded) return;
    if (slot.kind == Slot::Kind::kLocal) {
      execute(slot.request, slot.since_ms, out);
    } else {
      LimitZxid(&slot);
      std::move(slot.messages.begin(), slot.messages.end(),
                std::back_inserter(*out));
      overtaking_ -= slot.overtook_at.has_value();
    }
    slots_.pop_front();
  }
}

void PendingRequests::LimitZxid(Slot* slot) const {
  if (overtaking_ == 0 || slot->overtook_at) return;
  auto first = std::find_if(slots_.begin(), slots_.end(), [](const Slot& s) {
    return s.overtook_at.has_value();
  });
  for (v1::SessionResponse& message : slot->messages) {
    if (message.zxid() == 0) message.set_zxid(first->overtook_at->value());
  }
}

std::vector<PendingRequests::Ticket> PendingRequests::Undecided() const {
  std::vector<Ticket> tickets;
  for (const Slot& slot : slots_) {
    if (slot.kind == Slot::Kind::kForwarded) tickets.push_back(slot.ticket);
  }
  return tickets;
}

}  // namespace sillok::coord
