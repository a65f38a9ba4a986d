//! Settings of single AWS services, and variables of the environment.

use std::collections::BTreeMap;

use aws_config::SdkConfig;
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};

/// The variable that sets the endpoint of all services.
pub(super) const ENDPOINT_VARIABLE: &str = "AWS_ENDPOINT_URL";
/// The first of some variables that is set to something.
pub(super) fn set<'a>(env: &'a BTreeMap<String, String>, names: &[&str]) -> Option<&'a str> {
    names.iter().find_map(|name| env.get(*name).map(|value| value.trim()).filter(|value| !value.is_empty()))
}

/// The endpoints of single services, by the given environment first and the config files then.
#[derive(Debug)]
pub(super) struct Services {
    pub(super) env: BTreeMap<String, String>,
    pub(super) loaded: SdkConfig,
    /// Whether none of them counts.
    pub(super) ignored: bool,
}

/// The variable that sets something for one service, where `all` sets it for all of them.
pub(super) fn service_variable(all: &str, service_id: &str) -> String {
    format!("{all}_{}", service_id.to_uppercase().replace([' ', '-'], "_"))
}

impl LoadServiceConfig for Services {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        if self.ignored && key.env() == ENDPOINT_VARIABLE {
            return None;
        }
        let one = service_variable(key.env(), key.service_id());
        let own = set(&self.env, &[&one, key.env()]).map(str::to_owned);
        own.or_else(|| self.loaded.service_config()?.load_config(key))
    }
}
