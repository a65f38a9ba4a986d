//! The context that every step of a deployment needs.

use hitctl_cloud::{Access, Cloud, DriverOptions};
use hitctl_config::{Loaded, Target};
use hitctl_engine::{Drivers, Sink};
use hitctl_report::Failure;
use hitctl_resources::Place;

use crate::session::Session;

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
    /// A context whose drivers deploy no code.
    pub(crate) fn new(
        session: &'a Session,
        config: &'a Loaded,
        cloud: &'a dyn Cloud,
        sink: &'a Sink,
    ) -> Self {
        Self { session, config, cloud, drivers: cloud.drivers(DriverOptions::default()), sink }
    }

    /// The same with other drivers.
    #[must_use]
    pub(crate) fn with_drivers(self, drivers: Drivers) -> Self {
        Self { drivers, ..self }
    }
}

/// Opens the cloud of the env for what writes, and says, before the first write, where that will go.
pub(crate) async fn open(
    session: &Session,
    loaded: &Loaded,
    access: Access,
    sink: &Sink,
) -> Result<Box<dyn Cloud>, Failure> {
    let say =
        |place: &str| session.console.talk(&format!("app {}, env {}, {place}", loaded.app.app, loaded.env));
    if loaded.target == Target::Local {
        // Said first: it may have to be started.
        say("on this machine");
        return session.cloud(loaded, access, sink).await;
    }
    let cloud = session.cloud(loaded, access, sink).await?;
    let Place { account, region, endpoint, .. } = cloud.place();
    let at = endpoint.as_ref().map(|endpoint| format!(", endpoint {endpoint}")).unwrap_or_default();
    say(&format!("AWS account {account}, region {region}{at}"));
    Ok(cloud)
}
