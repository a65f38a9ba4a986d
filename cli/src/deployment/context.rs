//! The values that the steps of a command share: [`RunContext`] before a cloud is connected, and [`CloudContext`]
//! after.

use hitctl_cloud::{AccessMode, Cloud, DriverOptions};
use hitctl_config::{DeployTarget, LoadedConfig};
use hitctl_engine::{Address, DriverContext, Drivers, Event, EventSink, Phase};
use hitctl_report::Failure;
use hitctl_resources::CloudLocation;

use crate::session::Session;

/// The values that a command needs before it is connected to a cloud.
#[derive(Clone, Copy)]
pub(crate) struct RunContext<'a> {
    /// The console, the global flags and the state of the process.
    pub(crate) session: &'a Session,
    /// The configuration of the selected environment.
    pub(crate) config: &'a LoadedConfig,
    /// The consumer of progress events.
    pub(crate) sink: &'a EventSink,
}

/// Runs `work` and shows its progress until it ends.
pub(crate) async fn with_progress<T>(
    session: &Session,
    config: &LoadedConfig,
    work: impl AsyncFnOnce(RunContext<'_>) -> T,
) -> T {
    let progress = session.console.progress();
    let sink = progress.sink();
    let result = work(RunContext { session, config, sink: &sink }).await;
    progress.finish();
    result
}

impl<'a> RunContext<'a> {
    /// Connects to the environment's cloud.
    pub(crate) async fn cloud(self, access: AccessMode) -> Result<Box<dyn Cloud>, Failure> {
        self.session.cloud(self.config, access, self.sink).await
    }

    /// Connects to the environment's cloud and prints its location: the AWS account and region, or this machine.
    /// Commands that write call it, so that the user sees the location before the first change.
    pub(crate) async fn open_and_announce(self, access: AccessMode) -> Result<Box<dyn Cloud>, Failure> {
        let (app, env) = (&self.config.app.app, &self.config.env);
        let announce =
            |location: &str| self.session.console.message(&format!("app {app}, env {env}, {location}"));
        if self.config.target == DeployTarget::Local {
            hitctl_local::check_supported()?;
            // Print this first, because starting the local cloud takes time.
            announce("on this machine");
            return self.cloud(access).await;
        }
        let cloud = self.cloud(access).await?;
        let CloudLocation { account, region, endpoint, .. } = cloud.location();
        let suffix = endpoint.as_ref().map(|endpoint| format!(", endpoint {endpoint}")).unwrap_or_default();
        announce(&format!("AWS account {account}, region {region}{suffix}"));
        Ok(cloud)
    }

    /// Returns the context for `cloud`, with drivers that cannot deploy code. [`CloudContext::with_drivers`] replaces
    /// them.
    pub(crate) fn in_cloud(self, cloud: &'a dyn Cloud) -> CloudContext<'a> {
        let Self { session, config, sink } = self;
        CloudContext { session, config, cloud, drivers: cloud.drivers(DriverOptions::default()), sink }
    }

    /// Returns the context for driver calls for one resource.
    pub(crate) fn driver_context(self, address: Address) -> DriverContext {
        DriverContext::new(address, self.sink.clone(), self.session.stop.clone())
    }

    /// Sends a progress note for a phase.
    pub(crate) fn note(self, phase: Phase, note: String) {
        self.sink.send(Event::PhaseNote { phase, note });
    }
}

/// The values that a command needs after it is connected to a cloud.
#[derive(Clone)]
pub(crate) struct CloudContext<'a> {
    /// The console, the global flags and the state of the process.
    pub(crate) session: &'a Session,
    /// The configuration of the selected environment.
    pub(crate) config: &'a LoadedConfig,
    /// The environment's cloud.
    pub(crate) cloud: &'a dyn Cloud,
    /// The drivers for the resources in the cloud.
    pub(crate) drivers: Drivers,
    /// The consumer of progress events.
    pub(crate) sink: &'a EventSink,
}

impl<'a> CloudContext<'a> {
    /// Returns the context without the cloud.
    pub(crate) fn run_context(&self) -> RunContext<'a> {
        RunContext { session: self.session, config: self.config, sink: self.sink }
    }

    /// Replaces the drivers.
    #[must_use]
    pub(crate) fn with_drivers(self, drivers: Drivers) -> Self {
        Self { drivers, ..self }
    }
}
