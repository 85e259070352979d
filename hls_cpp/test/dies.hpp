/// Whether a simulation ends with the failure exit code, tried in a child process.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>

#include "sim_fail.hpp"

template <typename Action>
bool Dies(Action action) {
  std::fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    if (std::freopen("/dev/null", "w", stderr) == nullptr) _exit(1);
    action();
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == rmsmp::sim::kFailureExit;
}
