//! The settings that take one of a few words.

use crate::keys::words;

words! {
    /// The instruction set that the function is compiled for, by Lambda's names.
    #[derive(Default)]
    enum Arch {
        /// Graviton: cheaper by a fifth.
        #[default]
        Arm64 = "arm64",
        /// Intel and AMD.
        X86_64 = "x86_64",
    }

    /// Where an env is deployed to.
    enum Target {
        /// An AWS account.
        Aws = "aws",
        /// The cloud on this machine.
        Local = "local",
    }

    /// How much the function logs.
    enum LogLevel {
        /// Everything.
        Debug = "debug",
        /// One line a request.
        Info = "info",
        /// What looks wrong.
        Warn = "warn",
        /// What failed.
        Error = "error",
    }

    /// How the web reaches the function.
    enum Expose {
        /// Through an HTTP API (API Gateway v2).
        Api = "api",
        /// Through the function's own URL.
        FunctionUrl = "function-url",
        /// Not at all.
        None = "none",
    }

    /// What the web puts on the queue.
    enum Ingest {
        /// Nothing: what is on it was sent there.
        None = "none",
        /// Hits, straight from the HTTP API.
        Http = "http",
    }

    /// Which paths may be counted.
    enum Paths {
        /// Those that were added by hand.
        Strict = "strict",
        /// Any, within a budget of new ones.
        Budget = "budget",
        /// Any.
        Open = "open",
    }

    /// What is kept to tell visitors apart.
    enum Visitors {
        /// Nothing: there is no number of visitors.
        None = "none",
        /// A keyed hash whose key is thrown away every day.
        Hash = "hash",
        /// The address itself: personal data.
        Raw = "raw",
    }

    /// What is done with views of visitors who ask not to be tracked.
    enum Gpc {
        /// They count, and nothing is made of the visitor.
        Count = "count",
        /// They do not count.
        Ignore = "ignore",
    }

    /// What is done with hits of robots.
    enum Bots {
        /// They do not count.
        Ignore = "ignore",
        /// They count as any other.
        Count = "count",
    }
}
