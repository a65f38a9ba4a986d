//! What Lambda says of a mapping.

use aws_sdk_lambda::operation::create_event_source_mapping::CreateEventSourceMappingOutput;
use aws_sdk_lambda::operation::get_event_source_mapping::GetEventSourceMappingOutput;
use aws_sdk_lambda::types::{EventSourceMappingConfiguration, FunctionResponseType};
use hitctl_engine::Outputs;

use crate::event_source_mapping::spec::EventSourceMappingSpec;
use crate::tags::Tags;

/// A mapping that is there.
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
    /// Which messages are dropped unseen; nothing of ours is.
    pub(super) filters: usize,
}

macro_rules! mapping_from {
    ($($answer:ty),*) => {$(
        impl From<$answer> for Mapping {
            fn from(it: $answer) -> Self {
                let number = |number: Option<i32>| number.and_then(|it| u32::try_from(it).ok()).unwrap_or_default();
                let reports = FunctionResponseType::ReportBatchItemFailures;
                Self {
                    uuid: it.uuid.unwrap_or_default(),
                    queue_arn: it.event_source_arn.unwrap_or_default(),
                    function_arn: it.function_arn.unwrap_or_default(),
                    state: it.state.unwrap_or_default(),
                    batch_size: number(it.batch_size),
                    window_s: number(it.maximum_batching_window_in_seconds),
                    max_concurrency: number(it.scaling_config.and_then(|scaling| scaling.maximum_concurrency)),
                    reports_failures: it.function_response_types.unwrap_or_default().contains(&reports),
                    filters: it.filter_criteria.and_then(|them| them.filters).unwrap_or_default().len(),
                }
            }
        }
    )*};
}

mapping_from!(EventSourceMappingConfiguration, GetEventSourceMappingOutput, CreateEventSourceMappingOutput);

impl Mapping {
    /// Whether it is to that function, or to a version or an alias of it.
    pub(super) fn is_of(&self, function_arn: &str) -> bool {
        self.function_arn
            .strip_prefix(function_arn)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
    }

    /// Whether it was deleted, and is there for a moment only.
    pub(super) fn is_going(&self) -> bool {
        self.state == "Deleting"
    }

    /// Whether what was asked for is in force.
    pub(super) fn is_settled(&self) -> bool {
        matches!(self.state.as_str(), "Enabled" | "Disabled")
    }

    /// Whether messages are taken, or will be.
    fn is_enabled(&self) -> bool {
        !matches!(self.state.as_str(), "Disabling" | "Disabled" | "Deleting")
    }

    pub(super) fn outputs(&self) -> Outputs {
        Outputs::from([("uuid".to_owned(), self.uuid.clone()), ("state".to_owned(), self.state.clone())])
    }

    /// It as a spec, where there are these too.
    pub(super) fn spec(&self, more: &[Self], tags: Tags) -> EventSourceMappingSpec {
        let mut odd = Vec::new();
        if self.filters > 0 {
            odd.push("with a filter".to_owned());
        }
        if let Some(other) = more.first() {
            odd.push(format!("and mapping {} too", other.uuid));
        }
        let function_arn = match odd.as_slice() {
            [] => self.function_arn.clone(),
            odd => format!("{} ({})", self.function_arn, odd.join(", ")),
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

    /// Whether it is as wanted, but for its tags.
    pub(super) fn is_as(&self, want: &EventSourceMappingSpec) -> bool {
        self.spec(&[], want.tags.clone()) == *want
    }
}

/// The id in "An event source mapping with SQS arn (..) and function (..) already exists. Please update or delete the
/// existing mapping with UUID 2b733gdc-..".
pub(super) fn uuid_in(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once("UUID ")?;
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).unwrap_or(rest.len());
    (end > 0).then(|| &rest[..end])
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
    fn a_mapping_is_of_a_function_and_its_aliases_and_of_no_namesake() {
        assert!(mapping().is_of(FUNCTION));
        let to = |arn: String| Mapping { function_arn: arn, ..mapping() };
        assert!(to(FUNCTION.to_owned()).is_of(FUNCTION));
        assert!(!to(format!("{FUNCTION}-2")).is_of(FUNCTION));
    }

    #[test]
    fn what_is_odd_shows_where_it_matters() {
        let spec = mapping().spec(&[], Tags::new());
        assert!(mapping().is_as(&spec));
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
        assert_eq!(shown.get().unwrap(), "f (with a filter, and mapping u-2 too)");
    }

    #[test]
    fn states_are_on_their_way_or_settled() {
        let states = ["Creating", "Enabling", "Enabled", "Updating", "Disabling", "Disabled", "Deleting"];
        let is = |told: fn(&Mapping) -> bool| {
            let all = states.map(|state| Mapping { state: state.to_owned(), ..mapping() });
            all.iter().filter(|it| told(it)).map(|it| it.state.clone()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(is(Mapping::is_settled), "Enabled Disabled");
        assert_eq!(is(Mapping::is_enabled), "Creating Enabling Enabled Updating");
        assert_eq!(is(Mapping::is_going), "Deleting");
    }

    #[test]
    fn the_id_of_the_one_that_is_there_is_in_the_refusal() {
        let said = "ResourceConflictException (lambda:CreateEventSourceMapping): An event source mapping with SQS arn (\" a \") \
            and function (\" f \") already exists. Please update or delete the existing mapping with UUID 0a1b-2c";
        assert_eq!(uuid_in(said), Some("0a1b-2c"));
        assert_eq!(uuid_in(&format!("{said}.")), Some("0a1b-2c"));
        assert_eq!(uuid_in("The resource already exists"), None);
    }
}
