//! Finds our API by its name and tags, because the names of APIs are not unique.

use aws_sdk_apigatewayv2::types;
use hitctl_engine::Fault;

use super::client::{ApiCalls, HttpApiDriver};
use crate::aws::call::CallContext;
use crate::aws::cors::{CorsSettings, list};
use crate::aws::number;
use crate::aws::owner::{is_ours, split_by_tags};
use crate::cors::Cors;
use crate::http_api::spec::HttpApiSpec;
use crate::tags::Tags;

/// The maximum size of a page.
const PAGE_SIZE: &str = "500";

/// An API without its integrations, routes and stage.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Api {
    pub(super) id: String,
    /// The endpoint that API Gateway returns.
    pub(super) endpoint: String,
    pub(super) tags: Tags,
    pub(super) cors: Cors,
    /// Whether the default endpoint is enabled.
    pub(super) is_endpoint_enabled: bool,
}

impl From<types::Api> for Api {
    fn from(api: types::Api) -> Self {
        Self {
            cors: cors_of(api.cors_configuration.as_ref()),
            is_endpoint_enabled: api.disable_execute_api_endpoint != Some(true),
            id: api.api_id.unwrap_or_default(),
            endpoint: api.api_endpoint.unwrap_or_default(),
            tags: api.tags.unwrap_or_default().into_iter().collect(),
        }
    }
}

fn cors_of(cors: Option<&types::Cors>) -> Cors {
    cors.map_or_else(CorsSettings::default, |cors| CorsSettings {
        origins: cors.allow_origins(),
        methods: cors.allow_methods(),
        headers: cors.allow_headers(),
        exposed: cors.expose_headers(),
        max_age_s: cors.max_age(),
        credentials: cors.allow_credentials(),
    })
    .normalised()
}

/// Converts CORS settings to API Gateway's type.
pub(super) fn cors_for(cors: &Cors) -> types::Cors {
    types::Cors::builder()
        .set_allow_origins(Some(list(&cors.allow_origins)))
        .set_allow_methods(Some(list(&cors.allow_methods)))
        .set_allow_headers(Some(list(&cors.allow_headers)))
        .set_expose_headers(Some(list(&cors.expose_headers)))
        .max_age(number(cors.max_age_s))
        .allow_credentials(false)
        .build()
}

impl HttpApiDriver {
    /// Finds the API with the resource's name that is ours, or that is to be taken over.
    pub(super) async fn find(&self, cx: &CallContext<'_>) -> Result<Option<Api>, Fault> {
        let apis_by_name = self.apis_by_name(cx).await?;
        let (mut ours, mut others) = split_by_tags(&self.aws, apis_by_name, |api| &api.tags);
        if ours.len() > 1 {
            return Err(self.ambiguous_error(cx.name, &ours));
        }
        if let Some(api) = ours.pop() {
            return Ok(Some(api));
        }
        // A single API with that name may have our tags although the list does not show them yet, or may be taken over.
        match others.pop() {
            Some(api) if others.is_empty() => {
                let Some(tags) = self.tags_of(cx, &api.id).await? else { return Ok(None) };
                let is_match = is_ours(&self.aws, Some(&tags)) || self.aws.adopt;
                Ok(is_match.then_some(Api { tags, ..api }))
            }
            _ => Ok(None),
        }
    }

    /// Returns all HTTP APIs with the resource's name.
    async fn apis_by_name(&self, cx: &CallContext<'_>) -> Result<Vec<Api>, Fault> {
        let request = self.read_client.get_apis().max_results(PAGE_SIZE);
        let call = cx.call("find", "apigateway:GetApis").once().none_on(&[]);
        let all = call
            .pages(|next| request.clone().set_next_token(next).send(), |page| (page.items, page.next_token))
            .await?;
        let has_name = |api: &types::Api| {
            api.name() == Some(cx.name) && api.protocol_type() == Some(&types::ProtocolType::Http)
        };
        Ok(all.into_iter().flatten().filter(has_name).map(Api::from).collect())
    }

    pub(super) fn arn(&self, api_id: &str) -> String {
        self.aws.location.as_location().api_gateway_arn(&format!("/apis/{api_id}"))
    }

    async fn tags_of(&self, cx: &CallContext<'_>, api_id: &str) -> Result<Option<Tags>, Fault> {
        let request = self.read_client.get_tags().resource_arn(self.arn(api_id));
        let calls = ApiCalls { apis: self, cx, id: api_id };
        let call = calls.call("read", "the tags", "apigateway:GetTags");
        let response = call.find(|| request.clone().send()).await?;
        Ok(response.map(|response| response.tags.unwrap_or_default().into_iter().collect()))
    }

    fn ambiguous_error(&self, name: &str, apis: &[Api]) -> Fault {
        let ids = apis.iter().map(|api| api.id.as_str()).collect::<Vec<_>>().join(", ");
        let all: Vec<String> = self.aws.tags.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let message = format!(
            "expected one HTTP API with the name {name} and the tags of this app, found {}: {ids}",
            apis.len()
        );
        Fault::fatal("ambiguous", message)
            .caused_by(format!("each API has the tags {}", all.join(", ")))
            .hinted(format!(
                "keep the API that is in use, and delete the others with `aws apigatewayv2 delete-api --region {} --api-id ID`",
                self.aws.location.region
            ))
    }

    /// Creates the API without its parts. Call this only after [`find`](Self::find) returned `None`.
    pub(super) async fn create_api(&self, cx: &CallContext<'_>, want: &HttpApiSpec) -> Result<Api, Fault> {
        let request = self
            .client
            .create_api()
            .name(cx.name)
            .protocol_type(types::ProtocolType::Http)
            .cors_configuration(cors_for(&want.cors))
            .disable_execute_api_endpoint(false)
            .set_tags(Some(want.tags.clone().into_iter().collect()));
        let call = cx.call("create", "apigateway:CreateApi").once();
        let created = call.send(|| request.clone().send()).await?;
        // API Gateway applies all settings of the request, so only the id and the endpoint are read from the response.
        Ok(Api {
            id: created.api_id.unwrap_or_default(),
            endpoint: created.api_endpoint.unwrap_or_default(),
            tags: want.tags.clone(),
            cors: want.cors.clone(),
            is_endpoint_enabled: true,
        })
    }
}
