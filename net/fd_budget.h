#pragma once

#include <cstddef>
#include <optional>
#include <utility>

namespace nacre {

// The descriptors that a front may spend on its callers, so that its own needs are always met.
// Not thread-safe: one loop's.
class FdBudget {
 public:
  // Some descriptors of the budget, given back on destruction. The budget outlives it.
  class Share {
   public:
    Share() = default;
    Share(Share&& other) noexcept
        : budget_(std::exchange(other.budget_, nullptr)), count_(other.count_) {}
    Share& operator=(Share&& other) noexcept {
      std::swap(budget_, other.budget_);
      std::swap(count_, other.count_);
      return *this;
    }
    ~Share() {
      if (budget_ != nullptr) budget_->left_ += count_;
    }
    bool taken() const { return budget_ != nullptr; }

   private:
    friend class FdBudget;
    Share(FdBudget* budget, size_t count) : budget_(budget), count_(count) {}

    FdBudget* budget_ = nullptr;
    size_t count_ = 0;
  };

  explicit FdBudget(size_t descriptors) : left_(descriptors) {}
  // What the limit on open files leaves beside the front's own needs; at least eight.
  static size_t OfThisProcess();

  // Nothing when fewer are left.
  std::optional<Share> Take(size_t count) {
    if (count > left_) return std::nullopt;
    left_ -= count;
    return Share(this, count);
  }

 private:
  size_t left_;
};

}  // namespace nacre
