//! Settings of individual AWS services, and access to environment variables.

use std::collections::BTreeMap;

use aws_config::SdkConfig;
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};

/// The variable that sets the endpoint of all services.
pub(super) const ENDPOINT_VARIABLE: &str = "AWS_ENDPOINT_URL";

/// Returns the first of the variables that is set to a non-empty value.
pub(super) fn env_value<'a>(env: &'a BTreeMap<String, String>, names: &[&str]) -> Option<&'a str> {
    names.iter().find_map(|name| env.get(*name).map(|value| value.trim()).filter(|value| !value.is_empty()))
}

/// The endpoints of individual services. The environment variables override the config files.
#[derive(Debug)]
pub(super) struct ServiceEndpoints {
    pub(super) env: BTreeMap<String, String>,
    pub(super) loaded: SdkConfig,
    /// Whether all configured endpoints are ignored.
    pub(super) are_ignored: bool,
}

/// Returns the name of the variable for one service. `all` is the name of the variable for all services.
pub(super) fn service_variable(all: &str, service_id: &str) -> String {
    format!("{all}_{}", service_id.to_uppercase().replace([' ', '-'], "_"))
}

impl LoadServiceConfig for ServiceEndpoints {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        if self.are_ignored && key.env() == ENDPOINT_VARIABLE {
            return None;
        }
        let service_specific = service_variable(key.env(), key.service_id());
        let from_env = env_value(&self.env, &[&service_specific, key.env()]).map(str::to_owned);
        from_env.or_else(|| self.loaded.service_config()?.load_config(key))
    }
}
