// The files of the test servers: the binaries of each major version, freshly initialised data
// directories to copy, and one folder for each running server. These lie in a cache folder in
// memory (/dev/shm) if there is room and TMPDIR is not set, else under the temp directory, which is
// shared by all test processes of a user:
//
//   pgfanout-test-<uid>/lock               guards the folder `run`
//                       templates/<key>/   data directories; <key>.lock guards one of them
//                       run/<pid>-<n>/     a running server; `owner` is locked while its test
//                                          process lives, and tells the others to keep off
//
// Servers that the unprivileged user cannot reach are copied to a folder of the same name under the
// temp directory.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

namespace pgfanout::harness {

/// PGFANOUT_TEST_MAJOR of the environment, or 15.
int default_major();

/// The folder with `initdb` and `postgres`; empty if that major is not on this machine.
std::filesystem::path find_server(int major);

/// A lock between processes, held as long as the object lives.
class FileLock {
 public:
  enum class Wait { yes, no };
  /// Makes the file if it is not there. With Wait::no, held() tells whether it was free.
  explicit FileLock(const std::filesystem::path& path, Wait wait = Wait::yes);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;
  [[nodiscard]] bool held() const { return held_; }

 private:
  int fd_;
  bool held_;
};

/// Where a server's folder lies.
enum class Place {
  cache,      ///< In the cache folder, with what other servers share.
  temporary,  ///< Under the temp directory, by itself: nothing stays behind.
};

/// A folder of its own for one server, removed by the destructor. If this process dies before, the
/// next test that starts a server removes the one in the cache.
class RunDirectory {
 public:
  explicit RunDirectory(Place place = Place::cache);
  ~RunDirectory();
  RunDirectory(const RunDirectory&) = delete;
  RunDirectory& operator=(const RunDirectory&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  std::unique_ptr<FileLock> owner_;
};

/// The binaries of that major where the unprivileged user can execute them. Throws with a hint at
/// scripts/fetch-server if that major is not here.
std::filesystem::path usable_server(int major);

/// Initialises the data directory `data`.
void make_cluster(const std::filesystem::path& binaries, const std::string& encoding,
                  const std::string& locale, const std::filesystem::path& data);

/// Copies a freshly initialised data directory to `data`.
void copy_fresh_cluster(const std::filesystem::path& binaries, const std::string& encoding,
                        const std::string& locale, const std::filesystem::path& data);

/// The whole text of a file; empty if it cannot be read.
std::string read_file(const std::filesystem::path& path);

}  // namespace pgfanout::harness
