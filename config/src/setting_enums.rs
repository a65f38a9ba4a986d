//! The settings whose value is one of a few strings.

use crate::keys::string_enums;

string_enums! {
    /// The instruction set that the function is compiled for, with Lambda's names.
    #[derive(Default)]
    enum Arch {
        /// Graviton, which costs a fifth less.
        #[default]
        Arm64 = "arm64",
        /// Intel and AMD.
        X86_64 = "x86_64",
    }

    /// The target that an env is deployed to.
    enum DeployTarget {
        /// An AWS account.
        Aws = "aws",
        /// The local cloud on this machine.
        Local = "local",
    }

    /// The minimum level of the function's log lines.
    enum LogLevel {
        /// All log lines, including one line per request.
        Debug = "debug",
        /// No lines about single requests, except warnings and errors.
        Info = "info",
        /// Warnings and errors.
        Warn = "warn",
        /// Errors only.
        Error = "error",
    }

    /// The way in which web requests reach the function.
    enum ExposeMode {
        /// Through an HTTP API (API Gateway v2).
        Api = "api",
        /// Through the function's own URL.
        FunctionUrl = "function-url",
        /// No web requests reach the function.
        None = "none",
    }

    /// The source of web hits on the queue.
    enum QueueIngest {
        /// No web hits: other senders fill the queue.
        None = "none",
        /// The HTTP API sends hits directly to the queue.
        Http = "http",
    }

    /// The paths that may be counted.
    enum PathPolicy {
        /// Only paths that were added explicitly.
        Strict = "strict",
        /// Any path, within a budget of new paths.
        Budget = "budget",
        /// Any path.
        Open = "open",
    }

    /// The data that is kept to tell visitors apart.
    enum VisitorMode {
        /// No data: visitors are not counted.
        None = "none",
        /// A keyed hash, with a new key every day.
        Hash = "hash",
        /// The IP address itself, which is personal data.
        Raw = "raw",
    }

    /// The handling of views by visitors who ask not to be tracked.
    enum GpcPolicy {
        /// The view is counted; no data about the visitor is used.
        Count = "count",
        /// The view is not counted.
        Ignore = "ignore",
    }

    /// The handling of hits by bots.
    enum BotPolicy {
        /// The hit is not counted.
        Ignore = "ignore",
        /// The hit is counted like any other.
        Count = "count",
    }
}
