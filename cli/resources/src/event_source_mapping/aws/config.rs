//! Converts Lambda's description of an event source mapping to a spec.

use aws_sdk_lambda::operation::create_event_source_mapping::CreateEventSourceMappingOutput;
use aws_sdk_lambda::operation::get_event_source_mapping::GetEventSourceMappingOutput;
use aws_sdk_lambda::types::{EventSourceMappingConfiguration, FunctionResponseType};
use hitctl_engine::Outputs;

use crate::event_source_mapping::spec::EventSourceMappingSpec;
use crate::tags::Tags;

/// An existing mapping.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Mapping {
    pub(super) uuid: String,
    pub(super) queue_arn: String,
    pub(super) function_arn: String,
    pub(super) state: String,
    pub(super) batch_size: u32,
    pub(super) window_s: u32,
    pub(super) max_concurrency: u32,
    pub(super) reports_failures: bool,
    /// The number of filters. A filter drops messages before the function receives them; our mappings have none.
    pub(super) filters: usize,
}

macro_rules! mapping_from {
    ($($output:ty),*) => {$(
        impl From<$output> for Mapping {
            fn from(output: $output) -> Self {
                let number = |number: Option<i32>| number.and_then(|it| u32::try_from(it).ok()).unwrap_or_default();
                let reports = FunctionResponseType::ReportBatchItemFailures;
                Self {
                    uuid: output.uuid.unwrap_or_default(),
                    queue_arn: output.event_source_arn.unwrap_or_default(),
                    function_arn: output.function_arn.unwrap_or_default(),
                    state: output.state.unwrap_or_default(),
                    batch_size: number(output.batch_size),
                    window_s: number(output.maximum_batching_window_in_seconds),
                    max_concurrency: number(output.scaling_config.and_then(|scaling| scaling.maximum_concurrency)),
                    reports_failures: output.function_response_types.unwrap_or_default().contains(&reports),
                    filters: output.filter_criteria.and_then(|criteria| criteria.filters).unwrap_or_default().len(),
                }
            }
        }
    )*};
}

mapping_from!(EventSourceMappingConfiguration, GetEventSourceMappingOutput, CreateEventSourceMappingOutput);

impl Mapping {
    /// Whether the mapping targets the given function or one of its versions or aliases.
    pub(super) fn targets_function(&self, function_arn: &str) -> bool {
        self.function_arn
            .strip_prefix(function_arn)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
    }

    /// Whether the mapping is being deleted.
    pub(super) fn is_being_deleted(&self) -> bool {
        self.state == "Deleting"
    }

    /// Whether the last change is in effect.
    pub(super) fn is_stable(&self) -> bool {
        matches!(self.state.as_str(), "Enabled" | "Disabled")
    }

    /// Whether the mapping consumes messages or is about to.
    fn is_enabled(&self) -> bool {
        !matches!(self.state.as_str(), "Disabling" | "Disabled" | "Deleting")
    }

    pub(super) fn outputs(&self) -> Outputs {
        Outputs::from([("uuid".to_owned(), self.uuid.clone()), ("state".to_owned(), self.state.clone())])
    }

    /// Converts the mapping to a spec. `others` are further mappings of the same queue and function; the spec shows one
    /// of them, so that it differs from the wanted spec.
    pub(super) fn spec(&self, others: &[Self], tags: Tags) -> EventSourceMappingSpec {
        let mut notes = Vec::new();
        if self.filters > 0 {
            notes.push("with a filter".to_owned());
        }
        if let Some(other) = others.first() {
            notes.push(format!("also mapping {}", other.uuid));
        }
        let function_arn = match notes.as_slice() {
            [] => self.function_arn.clone(),
            notes => format!("{} ({})", self.function_arn, notes.join(", ")),
        };
        EventSourceMappingSpec {
            queue_arn: self.queue_arn.clone().into(),
            function_arn: function_arn.into(),
            enabled: self.is_enabled(),
            batch_size: self.batch_size,
            window_s: self.window_s,
            max_concurrency: self.max_concurrency,
            reports_failures: self.reports_failures,
            tags,
        }
    }

    /// Whether the mapping has the settings of the spec, ignoring tags.
    pub(super) fn matches_spec(&self, want: &EventSourceMappingSpec) -> bool {
        self.spec(&[], want.tags.clone()) == *want
    }
}

/// Returns the id in the error message "An event source mapping with SQS arn (..) and function (..) already exists.
/// Please update or delete the existing mapping with UUID 2b733gdc-..".
pub(super) fn uuid_in(message: &str) -> Option<&str> {
    let (_, tail) = message.split_once("UUID ")?;
    let end = tail.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).unwrap_or(tail.len());
    (end > 0).then(|| &tail[..end])
}

#[cfg(test)]
mod tests {
    use aws_sdk_lambda::types::{Filter, FilterCriteria, ScalingConfig};

    use super::*;

    const FUNCTION: &str = "arn:aws:lambda:eu-west-1:123456789012:function:hits-test";

    fn mapping() -> Mapping {
        EventSourceMappingConfiguration::builder()
            .uuid("u-1")
            .event_source_arn("arn:queue")
            .function_arn(format!("{FUNCTION}:live"))
            .state("Enabled")
            .batch_size(25)
            .maximum_batching_window_in_seconds(60)
            .scaling_config(ScalingConfig::builder().maximum_concurrency(2).build())
            .function_response_types(FunctionResponseType::ReportBatchItemFailures)
            .build()
            .into()
    }

    #[test]
    fn mapping_targets_function_and_aliases_but_not_similarly_named_function() {
        assert!(mapping().targets_function(FUNCTION));
        let mapping_to = |arn: String| Mapping { function_arn: arn, ..mapping() };
        assert!(mapping_to(FUNCTION.to_owned()).targets_function(FUNCTION));
        assert!(!mapping_to(format!("{FUNCTION}-2")).targets_function(FUNCTION));
    }

    #[test]
    fn spec_shows_filters_and_other_mappings() {
        let spec = mapping().spec(&[], Tags::new());
        assert!(mapping().matches_spec(&spec));
        assert_eq!((spec.batch_size, spec.window_s, spec.max_concurrency), (25, 60, 2));
        assert!(spec.enabled && spec.reports_failures);
        let filter = FilterCriteria::builder().filters(Filter::builder().pattern("{}").build()).build();
        let filtered: Mapping = EventSourceMappingConfiguration::builder()
            .function_arn("f")
            .filter_criteria(filter)
            .build()
            .into();
        let other = Mapping { uuid: "u-2".to_owned(), ..mapping() };
        let shown = filtered.spec(&[other], Tags::new()).function_arn;
        assert_eq!(shown.get().unwrap(), "f (with a filter, also mapping u-2)");
    }

    #[test]
    fn mapping_states_are_classified() {
        let all_states = ["Creating", "Enabling", "Enabled", "Updating", "Disabling", "Disabled", "Deleting"];
        let states_where = |predicate: fn(&Mapping) -> bool| {
            let mappings = all_states.map(|state| Mapping { state: state.to_owned(), ..mapping() });
            mappings
                .iter()
                .filter(|mapping| predicate(mapping))
                .map(|mapping| mapping.state.clone())
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(states_where(Mapping::is_stable), "Enabled Disabled");
        assert_eq!(states_where(Mapping::is_enabled), "Creating Enabling Enabled Updating");
        assert_eq!(states_where(Mapping::is_being_deleted), "Deleting");
    }

    #[test]
    fn uuid_is_found_in_conflict_message() {
        let message = "ResourceConflictException (lambda:CreateEventSourceMapping): An event source mapping with SQS arn (\" a \") \
            and function (\" f \") already exists. Please update or delete the existing mapping with UUID 0a1b-2c";
        assert_eq!(uuid_in(message), Some("0a1b-2c"));
        assert_eq!(uuid_in(&format!("{message}.")), Some("0a1b-2c"));
        assert_eq!(uuid_in("The resource already exists"), None);
    }
}
