//! The contexts for the steps of a command: before a cloud is open, and with it.

use hitctl_cloud::{AccessMode, Cloud, DriverOptions};
use hitctl_config::{DeployTarget, LoadedConfig};
use hitctl_engine::{Address, DriverContext, Drivers, Event, EventSink, Phase};
use hitctl_report::Failure;
use hitctl_resources::CloudLocation;

use crate::session::Session;

/// The run of a command on an environment.
#[derive(Clone, Copy)]
pub(crate) struct RunContext<'a> {
    /// The run of the program.
    pub(crate) session: &'a Session,
    /// The configuration in force.
    pub(crate) config: &'a LoadedConfig,
    /// The consumer of progress events.
    pub(crate) sink: &'a EventSink,
}

/// Runs a part of a command and shows its progress.
pub(crate) async fn with_progress<T>(
    session: &Session,
    config: &LoadedConfig,
    work: impl AsyncFnOnce(RunContext<'_>) -> T,
) -> T {
    let progress = session.console.progress();
    let sink = progress.sink();
    let done = work(RunContext { session, config, sink: &sink }).await;
    progress.finish();
    done
}

impl<'a> RunContext<'a> {
    /// Opens the cloud of the env.
    pub(crate) async fn cloud(self, access: AccessMode) -> Result<Box<dyn Cloud>, Failure> {
        self.session.cloud(self.config, access, self.sink).await
    }

    /// Opens the cloud of the env, and shows its account or machine before the first write.
    pub(crate) async fn open(self, access: AccessMode) -> Result<Box<dyn Cloud>, Failure> {
        let (app, env) = (&self.config.app.app, &self.config.env);
        let say = |location: &str| self.session.console.message(&format!("app {app}, env {env}, {location}"));
        if self.config.target == DeployTarget::Local {
            // Shown first, since the cloud may have to be started.
            say("on this machine");
            return self.cloud(access).await;
        }
        let cloud = self.cloud(access).await?;
        let CloudLocation { account, region, endpoint, .. } = cloud.location();
        let at = endpoint.as_ref().map(|endpoint| format!(", endpoint {endpoint}")).unwrap_or_default();
        say(&format!("AWS account {account}, region {region}{at}"));
        Ok(cloud)
    }

    /// Adds the cloud, with drivers that deploy no code.
    pub(crate) fn in_cloud(self, cloud: &'a dyn Cloud) -> DeployContext<'a> {
        let Self { session, config, sink } = self;
        DeployContext { session, config, cloud, drivers: cloud.drivers(DriverOptions::default()), sink }
    }

    /// Returns the context for calls on one resource.
    pub(crate) fn driver_context(self, address: Address) -> DriverContext {
        DriverContext::new(address, self.sink.clone(), self.session.stop.clone())
    }

    /// Reports the progress of a part of the run.
    pub(crate) fn note(self, phase: Phase, note: String) {
        self.sink.send(Event::PhaseNote { phase, note });
    }
}

/// The run of a command on an environment in its cloud.
#[derive(Clone)]
pub(crate) struct DeployContext<'a> {
    /// The run of the program.
    pub(crate) session: &'a Session,
    /// The configuration in force.
    pub(crate) config: &'a LoadedConfig,
    /// The cloud that the environment is in.
    pub(crate) cloud: &'a dyn Cloud,
    /// The drivers of that cloud.
    pub(crate) drivers: Drivers,
    /// The consumer of progress events.
    pub(crate) sink: &'a EventSink,
}

impl<'a> DeployContext<'a> {
    /// Returns the context without its cloud.
    pub(crate) fn run(&self) -> RunContext<'a> {
        RunContext { session: self.session, config: self.config, sink: self.sink }
    }

    /// Replaces the drivers.
    #[must_use]
    pub(crate) fn with_drivers(self, drivers: Drivers) -> Self {
        Self { drivers, ..self }
    }
}
