// A file system in memory that is soon full. It belongs to this process and its children alone (a
// mount namespace), so that nothing of it is left, however they end.
#pragma once

#include <filesystem>
#include <string>

namespace pgfanout::testing {

class SmallDisk {
 public:
  /// Throws, with what is missing, where a process may not mount. Call it before starting servers
  /// that are to see it, in the thread that starts them.
  explicit SmallDisk(std::size_t bytes);
  ~SmallDisk();
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  /// A folder in it that belongs to the user that servers run as.
  [[nodiscard]] std::string make_folder(const std::string& name) const;
  [[nodiscard]] std::size_t free_bytes() const;
  /// Leaves so much room, by a file of ballast.
  void fill_but(std::size_t bytes) const;
  void remove_ballast() const;

 private:
  std::filesystem::path path_;
};

}  // namespace pgfanout::testing
