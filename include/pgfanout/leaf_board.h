// How far each leaf of the target has come, for whoever watches. Thread-safe: the pipeline writes,
// others read at any time.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace pgfanout {

/// In the order in which a leaf goes through them.
enum class LeafState : std::uint8_t {
  waiting,    ///< Nothing was sent yet.
  loading,    ///< Rows were handed to the server, not committed.
  committed,  ///< All its rows are committed.
  proven,     ///< Read back, and equal to what was read from the source.
  indexed,    ///< Has its keys and indexes.
  verified,   ///< Compared with the source again, by verify.
};

class LeafBoard {
 public:
  /// Names the leaves. Later calls with the same number of leaves change nothing, so that the
  /// stages of one job may all call it; with another number they are ignored. Not concurrently.
  void open(std::vector<std::string> names) {
    if (owned_ || names.empty()) return;
    owned_ = std::make_unique<Leaves>(std::move(names));
    shared_.store(owned_.get(), std::memory_order_release);
  }

  /// 0 until open().
  [[nodiscard]] std::size_t size() const {
    const Leaves* leaves = shared_.load(std::memory_order_acquire);
    return leaves == nullptr ? 0 : leaves->names.size();
  }
  /// These need leaf < size().
  [[nodiscard]] const std::string& name(std::size_t leaf) const { return get()->names[leaf]; }
  [[nodiscard]] std::uint64_t rows(std::size_t leaf) const { return get()->cells[leaf].rows; }
  [[nodiscard]] LeafState state(std::size_t leaf) const { return get()->cells[leaf].state; }

  /// Ignored for a leaf that is not there: a board that was never opened is not watched.
  void add_rows(std::size_t leaf, std::uint64_t rows) {
    if (leaf < size()) get()->cells[leaf].rows.fetch_add(rows, std::memory_order_relaxed);
  }
  void set_rows(std::size_t leaf, std::uint64_t rows) {
    if (leaf < size()) get()->cells[leaf].rows.store(rows, std::memory_order_relaxed);
  }
  void set_state(std::size_t leaf, LeafState state) {
    if (leaf < size()) get()->cells[leaf].state.store(state, std::memory_order_relaxed);
  }
  void set_all(LeafState state) {
    for (std::size_t leaf = 0; leaf < size(); ++leaf) set_state(leaf, state);
  }

 private:
  struct Cell {
    std::atomic<std::uint64_t> rows{0};
    std::atomic<LeafState> state{LeafState::waiting};
  };
  struct Leaves {
    explicit Leaves(std::vector<std::string> leaf_names)
        : names(std::move(leaf_names)), cells(names.size()) {}
    std::vector<std::string> names;
    std::vector<Cell> cells;
  };
  [[nodiscard]] Leaves* get() const { return shared_.load(std::memory_order_acquire); }

  std::unique_ptr<Leaves> owned_;
  std::atomic<Leaves*> shared_{nullptr};
};

}  // namespace pgfanout
