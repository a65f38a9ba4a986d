//! The contexts that the steps of a command need: before a cloud is open, and with it.

use hitctl_cloud::{Access, Cloud, DriverOptions};
use hitctl_config::{Loaded, Target};
use hitctl_engine::{Address, Cx, Drivers, Event, Phase, Sink};
use hitctl_report::Failure;
use hitctl_resources::Place;

use crate::session::Session;

/// An environment, for one command.
#[derive(Clone, Copy)]
pub(crate) struct RunContext<'a> {
    /// The run of the program.
    pub(crate) session: &'a Session,
    /// The configuration in force.
    pub(crate) config: &'a Loaded,
    /// The consumer of progress events.
    pub(crate) sink: &'a Sink,
}

/// Runs a part of a command and shows its progress.
pub(crate) async fn with_progress<T>(
    session: &Session,
    config: &Loaded,
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
    pub(crate) async fn cloud(self, access: Access) -> Result<Box<dyn Cloud>, Failure> {
        self.session.cloud(self.config, access, self.sink).await
    }

    /// Opens the cloud of the env, and shows its account or machine before the first write.
    pub(crate) async fn open(self, access: Access) -> Result<Box<dyn Cloud>, Failure> {
        let (app, env) = (&self.config.app.app, &self.config.env);
        let say = |place: &str| self.session.console.talk(&format!("app {app}, env {env}, {place}"));
        if self.config.target == Target::Local {
            // Said first: it may have to be started.
            say("on this machine");
            return self.cloud(access).await;
        }
        let cloud = self.cloud(access).await?;
        let Place { account, region, endpoint, .. } = cloud.place();
        let at = endpoint.as_ref().map(|endpoint| format!(", endpoint {endpoint}")).unwrap_or_default();
        say(&format!("AWS account {account}, region {region}{at}"));
        Ok(cloud)
    }

    /// Adds the cloud, with drivers that deploy no code.
    pub(crate) fn in_cloud(self, cloud: &'a dyn Cloud) -> DeployContext<'a> {
        let Self { session, config, sink } = self;
        DeployContext { session, config, cloud, drivers: cloud.drivers(DriverOptions::default()), sink }
    }

    /// The context of calls on one resource.
    pub(crate) fn cx(self, address: Address) -> Cx {
        Cx::new(address, self.sink.clone(), self.session.stop.clone())
    }

    /// Reports the progress of a part of the run.
    pub(crate) fn note(self, phase: Phase, note: String) {
        self.sink.send(Event::PhaseNote { phase, note });
    }
}

/// An environment in its cloud, for one command.
#[derive(Clone)]
pub(crate) struct DeployContext<'a> {
    /// The run of the program.
    pub(crate) session: &'a Session,
    /// The configuration in force.
    pub(crate) config: &'a Loaded,
    /// The cloud that the environment is in.
    pub(crate) cloud: &'a dyn Cloud,
    /// The drivers of that cloud.
    pub(crate) drivers: Drivers,
    /// The consumer of progress events.
    pub(crate) sink: &'a Sink,
}

impl<'a> DeployContext<'a> {
    /// The same without its cloud.
    pub(crate) fn run(&self) -> RunContext<'a> {
        RunContext { session: self.session, config: self.config, sink: self.sink }
    }

    /// The same with other drivers.
    #[must_use]
    pub(crate) fn with_drivers(self, drivers: Drivers) -> Self {
        Self { drivers, ..self }
    }
}
