// SPDX-License-Identifier: Apache-2.0
#include "tests/launch/commands/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <stdexcept>

#include "kernels/base/error.h"

namespace cadmus {
namespace {

struct Pipe {
  int read = -1, write = -1;
  Pipe() {
    int ends[2];
    CADMUS_CHECK(::pipe2(ends, O_CLOEXEC) == 0, "no pipe");
    read = ends[0];
    write = ends[1];
  }
};

std::string ReadProc(pid_t pid, const char* file) {
  std::ifstream in(StrCat("/proc/", pid, "/", file), std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
}

// All processes below `root`, parents before their children.
std::vector<pid_t> Descendants(pid_t root) {
  std::multimap<pid_t, pid_t> children;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename().string();
    pid_t pid = 0;
    if (std::from_chars(name.data(), name.data() + name.size(), pid).ptr !=
        name.data() + name.size()) {
      continue;
    }
    const std::string stat = ReadProc(pid, "stat");  // "pid (name) state parent …"
    const size_t after_name = stat.rfind(')');
    if (after_name == std::string::npos || after_name + 4 > stat.size()) continue;  // it has ended
    children.emplace(std::stoi(stat.substr(after_name + 4)), pid);
  }
  std::vector<pid_t> found = {root};
  for (size_t i = 0; i < found.size(); ++i) {
    const auto [begin, end] = children.equal_range(found[i]);
    for (auto child = begin; child != end; ++child) found.push_back(child->second);
  }
  found.erase(found.begin());
  return found;
}

}  // namespace

Process::Process(const std::vector<std::string>& command, std::chrono::seconds limit)
    : deadline_(std::chrono::steady_clock::now() + limit) {
  std::vector<char*> argv;
  for (const std::string& word : command) {
    what_ += what_.empty() ? word : " " + word;
    argv.push_back(const_cast<char*>(word.c_str()));
  }
  argv.push_back(nullptr);
  const Pipe out, err;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out.write, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err.write, STDERR_FILENO);
  const int failure = ::posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(out.write);
  ::close(err.write);
  out_fd_ = out.read;
  err_fd_ = err.read;
  CADMUS_CHECK(failure == 0, StrCat("cannot start ", what_));
}

Process::~Process() {
  if (!is_reaped_) {
    KillAll();
    ::waitpid(pid_, nullptr, 0);
  }
  ::close(out_fd_);
  ::close(err_fd_);
}

void Process::KillAll() const {
  const std::vector<pid_t> descendants = Descendants(pid_);
  ::kill(pid_, SIGKILL);
  for (pid_t pid : descendants) ::kill(pid, SIGKILL);
}

bool Process::ReadMore() {
  std::array<pollfd, 2> streams = {
      {{.fd = out_fd_, .events = POLLIN}, {.fd = err_fd_, .events = POLLIN}}};
  if (out_fd_ < 0 && err_fd_ < 0) return false;
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
      deadline_ - std::chrono::steady_clock::now());
  if (left.count() <= 0 ||
      ::poll(streams.data(), streams.size(), static_cast<int>(left.count())) == 0) {
    throw std::runtime_error(StrCat("too slow: ", what_, "\n", result_.err));
  }
  const auto take = [](const pollfd& stream, int& fd, std::string& text) {
    if (stream.revents == 0) return;
    std::array<char, 4096> buffer;
    const ssize_t n = ::read(fd, buffer.data(), buffer.size());
    if (n > 0) {
      text.append(buffer.data(), static_cast<size_t>(n));
    } else {
      ::close(fd);
      fd = -1;
    }
  };
  take(streams[0], out_fd_, result_.out);
  take(streams[1], err_fd_, result_.err);
  return true;
}

void Process::AwaitError(std::string_view text) {
  while (result_.err.find(text) == std::string::npos) {
    if (!ReadMore())
      throw std::runtime_error(StrCat("ended without \"", text, "\": ", what_, "\n", result_.err));
  }
}

CommandResult Process::Wait() {
  while (ReadMore()) {
  }
  int status = 0;
  CADMUS_CHECK(::waitpid(pid_, &status, 0) == pid_, what_);
  is_reaped_ = true;
  result_.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result_;
}

std::vector<pid_t> Process::Ranks(std::string_view name) const {
  std::map<int, pid_t> by_rank;
  for (pid_t pid : Descendants(pid_)) {
    if (ReadProc(pid, "comm") != StrCat(name, "\n")) continue;
    constexpr std::string_view kVariable = "OMPI_COMM_WORLD_RANK=";
    const std::string environment = ReadProc(pid, "environ");
    const size_t found = environment.find(kVariable);
    if (found != std::string::npos)
      by_rank[std::stoi(environment.substr(found + kVariable.size()))] = pid;
  }
  std::vector<pid_t> pids;
  for (const auto& [rank, pid] : by_rank) pids.push_back(pid);
  return pids;
}

CommandResult RunCommand(const std::vector<std::string>& command) {
  return Process(command).Wait();
}

}  // namespace cadmus
