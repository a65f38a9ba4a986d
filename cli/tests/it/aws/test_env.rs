//! A test environment whose deployments are on an AWS emulator.

use std::collections::BTreeMap;

use hitctl::ProcessContext;
use hitctl_emulators::Emulator;

use crate::support::{CommandOutput, TestEnv, artifact};

/// A test environment with an env `test` on an emulator.
pub(crate) struct AwsTestEnv {
    pub(crate) base: TestEnv,
    /// The endpoint for AWS calls: the emulator, or a proxy in front of it.
    pub(crate) endpoint: String,
    pub(crate) app: String,
}

impl AwsTestEnv {
    /// Creates a directory with a configuration of this app, with `more` added. Tests share emulators, so each uses its
    /// own app name.
    pub(crate) fn new(endpoint: &str, app: &str, more: &str) -> Self {
        let env = Self { base: TestEnv::new(), endpoint: endpoint.to_owned(), app: app.to_owned() };
        env.configure(more);
        env
    }

    /// Rewrites the configuration, with `more` added.
    pub(crate) fn configure(&self, more: &str) {
        let (app, region) = (&self.app, Emulator::REGION);
        let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };
        self.base.write(
            "hitctl.toml",
            &format!(
                "app = \"{app}\"\nregion = \"{region}\"\nfunction.arch = \"{arch}\"\n{more}\n[env.test]\n"
            ),
        );
    }

    /// Returns the environment variables of a user with credentials for the emulator.
    pub(crate) fn env(&self) -> BTreeMap<String, String> {
        let mut env = self.base.env();
        for (name, value) in [
            ("AWS_ACCESS_KEY_ID", Emulator::ACCOUNT),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ] {
            env.insert(name.to_owned(), value.to_owned());
        }
        env
    }

    fn with_target(&self, args: &[&str]) -> Vec<String> {
        let target = ["--env", "test", "--endpoint-url", &self.endpoint];
        args.iter().chain(&target).map(ToString::to_string).collect()
    }

    /// Runs the program in process.
    pub(crate) fn run(&self, args: &[&str]) -> CommandOutput {
        self.run_with(args, |_| {})
    }

    /// Runs the program in process, in a context that `change` modifies first.
    pub(crate) fn run_with(&self, args: &[&str], change: impl FnOnce(&mut ProcessContext)) -> CommandOutput {
        let all_args = self.with_target(args);
        let all_args: Vec<&str> = all_args.iter().map(String::as_str).collect();
        self.base.run_with(&all_args, |process| {
            process.env = self.env();
            change(process);
        })
    }

    /// Deploys the built function with more arguments.
    pub(crate) fn deploy(&self, more: &[&str]) -> CommandOutput {
        self.run(&[&["deploy", "--artifact", &artifact()], more].concat())
    }

    /// Returns a command that runs the program as a separate process.
    pub(crate) fn command(&self, args: &[&str]) -> std::process::Command {
        let all_args = self.with_target(args);
        let all_args: Vec<&str> = all_args.iter().map(String::as_str).collect();
        let mut command = self.base.command(&all_args);
        command.envs(self.env());
        command
    }
}
