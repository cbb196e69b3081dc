// The files of the test servers: the binaries of each major version, initialised data directories
// to copy, and one folder for each running server. They are in a cache folder in memory (/dev/shm)
// if it has room and TMPDIR is not set, otherwise under the temp directory. All test processes of a
// user share it:
//
//   pgfanout-test-<uid>/lock               guards the folder `run`
//                       templates/<key>/   data directories; <key>.lock guards one of them
//                       run/<pid>-<n>/     a running server; `owner` is locked while its test
//                                          process lives; others then leave the folder alone
//
// Binaries that the unprivileged user cannot execute are copied to a folder of the same name under
// the temp directory.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

namespace pgfanout::harness {

/// PGFANOUT_TEST_MAJOR of the environment, or 15.
int default_major();

/// The folder with `initdb` and `postgres`; empty if that major is not installed.
std::filesystem::path find_server(int major);

/// A lock between processes, held as long as the object lives.
class FileLock {
 public:
  enum class Wait { yes, no };
  /// Makes the file if it does not exist. With Wait::no, held() says whether it was free.
  explicit FileLock(const std::filesystem::path& path, Wait wait = Wait::yes);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;
  [[nodiscard]] bool held() const { return held_; }

 private:
  int fd_;
  bool held_;
};

/// The place of a server's folder.
enum class Place {
  cache,      ///< In the cache folder.
  temporary,  ///< Under the temp directory; no file remains.
};

/// The folder of one server, which the destructor removes. If this process dies before, the next
/// test that starts a server removes the folder in the cache.
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

/// The folder with binaries of that major that the unprivileged user can execute. If the major is
/// not installed, throws with a hint at scripts/fetch-server.
std::filesystem::path usable_server(int major);

/// Initialises the data directory `data`.
void make_cluster(const std::filesystem::path& binaries, const std::string& encoding,
                  const std::string& locale, const std::filesystem::path& data);

/// Copies a freshly initialised data directory to `data`.
void copy_fresh_cluster(const std::filesystem::path& binaries, const std::string& encoding,
                        const std::string& locale, const std::filesystem::path& data);

/// Copies the data directory of a server that does not run, as a standby that follows `conninfo`.
void copy_as_standby(const std::filesystem::path& from, const std::string& conninfo,
                     const std::filesystem::path& data);

/// The whole text of a file; empty if it cannot be read.
std::string read_file(const std::filesystem::path& path);

}  // namespace pgfanout::harness
