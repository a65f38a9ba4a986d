//! A directory of its own for one test, with an env on an emulator.

use std::collections::BTreeMap;

use hitctl::World;
use hitctl_emulators::Emulator;

use crate::support::{Ran, Yard, artifact};

/// A yard whose env `test` is on an emulator.
pub(crate) struct AwsYard {
    pub(crate) yard: Yard,
    /// Where AWS calls go: the emulator, or a wire to it.
    pub(crate) endpoint: String,
    pub(crate) app: String,
}

impl AwsYard {
    /// A directory with a configuration of that app; `more` comes after it. Every test has an app of its own, since they share
    /// emulators.
    pub(crate) fn new(endpoint: &str, app: &str, more: &str) -> Self {
        let yard = Self { yard: Yard::new(), endpoint: endpoint.to_owned(), app: app.to_owned() };
        yard.configure(more);
        yard
    }

    /// Writes the configuration anew.
    pub(crate) fn configure(&self, more: &str) {
        let (app, region) = (&self.app, Emulator::REGION);
        let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };
        self.yard.write(
            "hitctl.toml",
            &format!(
                "app = \"{app}\"\nregion = \"{region}\"\nfunction.arch = \"{arch}\"\n{more}\n[env.test]\n"
            ),
        );
    }

    /// The variables of a user of an emulator.
    pub(crate) fn env(&self) -> BTreeMap<String, String> {
        let mut env = self.yard.env();
        for (name, value) in [
            ("AWS_ACCESS_KEY_ID", Emulator::ACCOUNT),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ] {
            env.insert(name.to_owned(), value.to_owned());
        }
        env
    }

    fn given(&self, args: &[&str]) -> Vec<String> {
        let place = ["--env", "test", "--endpoint-url", &self.endpoint];
        args.iter().chain(&place).map(ToString::to_string).collect()
    }

    /// Runs the program in process.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        self.run_as(args, |_| {})
    }

    /// Runs the program in process, in a world that `change` changed.
    pub(crate) fn run_as(&self, args: &[&str], change: impl FnOnce(&mut World)) -> Ran {
        let given = self.given(args);
        let given: Vec<&str> = given.iter().map(String::as_str).collect();
        self.yard.run_as(&given, |world| {
            world.env = self.env();
            change(world);
        })
    }

    /// Deploys the built function, with more arguments.
    pub(crate) fn deploy(&self, more: &[&str]) -> Ran {
        self.run(&[&["deploy", "--artifact", &artifact()], more].concat())
    }

    /// The program as a process of its own.
    pub(crate) fn command(&self, args: &[&str]) -> std::process::Command {
        let given = self.given(args);
        let given: Vec<&str> = given.iter().map(String::as_str).collect();
        let mut command = self.yard.command(&given);
        command.envs(self.env());
        command
    }
}
