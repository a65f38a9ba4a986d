//! Settings for events that functions fail with, and permissions to call functions.

use hitctl_engine::{Fault, Outputs};
use hitctl_resources::{EventInvokeConfigSpec, PermissionSpec, Spec as _};

use super::{Cloud, Entry, api_of, invalid, outputs, parse};
use crate::constants::EVENTS_PRINCIPAL;

impl Cloud {
    pub(super) fn bring_invoke_config(
        &self,
        name: &str,
        spec: &EventInvokeConfigSpec,
    ) -> Result<Outputs, Fault> {
        if spec.function_name.get().is_none() || spec.on_failure_arn.get().is_none() {
            let why = "its function_name and on_failure_arn are not known yet";
            return Err(invalid(EventInvokeConfigSpec::KIND, name, why));
        }
        self.bus.put_invoke_config(name, spec);
        Ok(Outputs::new())
    }

    pub(super) fn bring_permission(
        &self,
        name: &str,
        spec: &PermissionSpec,
        old: Option<&Entry>,
    ) -> Result<Outputs, Fault> {
        if let Some(old) = old.filter(|old| parse(PermissionSpec::KIND, name, &old.spec).as_ref() != Ok(spec))
        {
            self.end_permission(name, old);
        }
        let (Some(source), Some(function)) = (spec.source_arn.get(), spec.function_name.get()) else {
            let why = "its source_arn and function_name are not known yet";
            return Err(invalid(PermissionSpec::KIND, name, why));
        };
        if spec.principal == EVENTS_PRINCIPAL {
            self.bus.permit(name, spec);
        } else if let Some(api) = api_of(source) {
            self.gateway.permit(api, function);
        }
        Ok(outputs(&[("statement_id", name.to_owned())]))
    }

    pub(super) fn end_permission(&self, name: &str, old: &Entry) {
        self.bus.forbid(name);
        let Ok(old) = parse::<PermissionSpec>(PermissionSpec::KIND, name, &old.spec) else { return };
        let api = old.source_arn.get().and_then(|source| api_of(source));
        if let (Some(api), Some(function)) = (api, old.function_name.get()) {
            self.gateway.forbid(api, function);
        }
    }
}
