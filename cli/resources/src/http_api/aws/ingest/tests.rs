//! Tests that convert the ingest route to an integration and back.

use super::*;

const URL: &str = "https://sqs.eu-west-1.amazonaws.com/123456789012/hits-test-hits";

fn wanted() -> IngestRoute {
    let variables = [
        (contract::MESSAGE_IP, "context.identity.sourceIp"),
        (contract::MESSAGE_ORIGIN, "request.header.origin"),
        (contract::MESSAGE_UA, "context.identity.userAgent"),
    ];
    IngestRoute {
        route: contract::INGEST_ROUTE.to_owned(),
        queue_url: URL.to_owned().into(),
        role_arn: "arn:aws:iam::123456789012:role/hits-test-ingest".to_owned().into(),
        attributes: variables.map(|(name, from)| (name.to_owned(), from.to_owned())).into(),
    }
}

fn integration(parameters: HashMap<String, String>) -> types::builders::IntegrationBuilder {
    types::Integration::builder()
        .integration_id("q1")
        .integration_type(types::IntegrationType::AwsProxy)
        .integration_subtype(INTEGRATION_SUBTYPE)
        .payload_format_version(PAYLOAD_VERSION)
        .description(DESCRIPTION)
        .credentials_arn("arn:aws:iam::123456789012:role/hits-test-ingest")
        .set_request_parameters(Some(parameters))
}

fn parts(integration: types::builders::IntegrationBuilder) -> ApiParts {
    let route = types::Route::builder().route_key(contract::INGEST_ROUTE).target("integrations/q1").build();
    ApiParts { integrations: vec![integration.build().into()], routes: vec![route.into()], stage: None }
}

#[test]
fn ingest_spec_round_trips() {
    assert_eq!(parts(integration(parameters(&wanted()))).ingest_spec(), Some(wanted()));
}

#[test]
fn rendered_ip_is_last_and_cannot_be_forged() {
    let text = render_attributes(&wanted().attributes);
    assert_eq!(
        text,
        concat!(
            r#"{"origin":{"DataType":"String","StringValue":"${request.header.origin}"},"#,
            r#""ua":{"DataType":"String","StringValue":"${context.identity.userAgent}"},"#,
            r#""ip":{"DataType":"String","StringValue":"${context.identity.sourceIp}"}}"#,
        )
    );
    let injected = r#"x"},"ip":{"DataType":"String","StringValue":"6.6.6.6"#;
    let filled =
        text.replace("${request.header.origin}", injected).replace("${context.identity.sourceIp}", "1.2.3.4");
    let read: Json = serde_json::from_str(&filled).unwrap();
    assert_eq!(read["ip"]["StringValue"], "1.2.3.4");

    assert!(is_ip_last(&text));
    assert!(is_ip_last("{}"));
    assert!(!is_ip_last(r#"{"ip":{"StringValue":"${a}"},"origin":{"StringValue":"${b}"}}"#));
}

#[test]
fn queue_url_shows_differences() {
    let shown = |name: &str, value: &str| {
        let mut all_parameters = parameters(&wanted());
        all_parameters.insert(name.to_owned(), value.to_owned());
        parts(integration(all_parameters)).ingest_spec().unwrap().queue_url.get().unwrap().replace(URL, "URL")
    };
    assert_eq!(shown(parameter::BODY, "$request.body.m"), "URL (body $request.body.m)");
    assert_eq!(shown("DelaySeconds", "5"), "URL (parameter DelaySeconds)");
    let ip_first = r#"{"ip":{"StringValue":"${a}"},"ua":{"StringValue":"${b}"}}"#;
    assert_eq!(shown(parameter::ATTRIBUTES, ip_first), "URL (message attribute ip can be forged)");
    let other_subtype = integration(parameters(&wanted())).integration_subtype("SQS-DeleteMessage");
    let queue_url = parts(other_subtype).ingest_spec().unwrap().queue_url;
    assert_eq!(queue_url.get().unwrap(), &format!("{URL} (subtype SQS-DeleteMessage)"));
}

#[test]
fn parse_attributes_keeps_unknown_values() {
    assert_eq!(parse_attributes(""), BTreeMap::new());
    assert_eq!(parse_attributes("$request.body.a"), [("$request.body.a".to_owned(), String::new())].into());
    let fixed = parse_attributes(r#"{"a":{"StringValue":"fixed"},"b":1}"#);
    assert_eq!(fixed, [("a".to_owned(), "fixed".to_owned()), ("b".to_owned(), "1".to_owned())].into());
}

#[test]
fn ingest_is_found_by_route_or_description() {
    let theirs = || integration(parameters(&wanted())).integration_id("q0").description("theirs");
    let mut both = parts(integration(parameters(&wanted())));
    both.integrations.insert(0, theirs().build().into());
    assert_eq!(both.ingest().unwrap().0.id, "q1");
    both.routes.clear();
    assert_eq!(both.ingest().unwrap().0.id, "q1");
    assert_eq!(both.ingest_spec().unwrap().route, "");
    let alone = ApiParts { integrations: vec![theirs().build().into()], ..ApiParts::default() };
    assert_eq!(alone.ingest(), None);
    let function = types::Integration::builder().integration_uri("arn").build();
    assert_eq!(QueueIntegration::from_sdk(&function), None);
}
