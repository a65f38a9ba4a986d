//! Event invoke configurations of functions, and permissions to invoke functions.

use hitctl_engine::{Fault, Outputs};
use hitctl_resources::{EventInvokeConfigSpec, PermissionSpec, Spec as _};

use super::{CloudServices, RegistryEntry, api_id_of, invalid_spec, outputs, parse_spec};
use crate::constants::EVENTS_PRINCIPAL;

impl CloudServices {
    pub(super) fn apply_invoke_config(
        &self,
        name: &str,
        spec: &EventInvokeConfigSpec,
    ) -> Result<Outputs, Fault> {
        if spec.function_name.get().is_none() || spec.on_failure_arn.get().is_none() {
            let reason = "function_name and on_failure_arn: expected values, found an unresolved reference";
            return Err(invalid_spec(EventInvokeConfigSpec::KIND, name, reason));
        }
        self.bus.put_invoke_config(name, spec);
        Ok(Outputs::new())
    }

    pub(super) fn apply_permission(
        &self,
        name: &str,
        spec: &PermissionSpec,
        old: Option<&RegistryEntry>,
    ) -> Result<Outputs, Fault> {
        // A changed permission replaces the old one.
        if let Some(old) =
            old.filter(|old| parse_spec(PermissionSpec::KIND, name, &old.spec).as_ref() != Ok(spec))
        {
            self.remove_permission(name, old);
        }
        let (Some(source), Some(function)) = (spec.source_arn.get(), spec.function_name.get()) else {
            let reason = "source_arn and function_name: expected values, found an unresolved reference";
            return Err(invalid_spec(PermissionSpec::KIND, name, reason));
        };
        if spec.principal == EVENTS_PRINCIPAL {
            self.bus.add_permission(name, spec);
        } else if let Some(api) = api_id_of(source) {
            self.gateway.permit(api, function);
        }
        Ok(outputs(&[("statement_id", name.to_owned())]))
    }

    pub(super) fn remove_permission(&self, name: &str, old: &RegistryEntry) {
        self.bus.remove_permission(name);
        let Ok(old) = parse_spec::<PermissionSpec>(PermissionSpec::KIND, name, &old.spec) else { return };
        let api = old.source_arn.get().and_then(|source| api_id_of(source));
        if let (Some(api), Some(function)) = (api, old.function_name.get()) {
            self.gateway.revoke(api, function);
        }
    }
}
