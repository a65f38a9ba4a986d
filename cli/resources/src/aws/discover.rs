//! What carries our tags, whatever the configuration says today: how a renamed app or a lost env is found again.
//!
//! The tagging API is eventually consistent and also answers with what was tagged once and is gone (its service model says
//! so): what it says is a hint where to look, never a proof that something is there.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_resourcegroupstagging::Client;
use aws_sdk_resourcegroupstagging::types::{Tag, TagFilter};
use aws_types::SdkConfig;
use hitctl_config::names::{TAG_APP, TAG_ENV, TAG_MANAGED};
use hitctl_engine::{Cx, Fault, Wait};

use super::fault::{Doing, ToFault};

/// An app and one env of it, which something in the account is tagged with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deployment {
    /// The app.
    pub app: String,
    /// The env.
    pub env: String,
}

/// As many as one page takes.
const PAGE: i32 = 100;
/// A bound on pages that never end: a hundred thousand resources.
const PAGES: usize = 1000;

/// Every app and env that something in this account and region is tagged with, by name.
pub async fn deployments(config: &SdkConfig, cx: &Cx) -> Result<Vec<Deployment>, Fault> {
    let client = Client::new(config);
    let doing = Doing::new("find", "what is tagged as hitctl's", "tag:GetResources");
    let mut found = BTreeSet::new();
    let mut token: Option<String> = None;
    for _ in 0..PAGES {
        let page = cx
            .wait(&Wait::up_to(Duration::from_mins(1)), "waiting for the tags", || async {
                let managed = TagFilter::builder().key(TAG_MANAGED).values("true").build();
                let call = client.get_resources().tag_filters(managed).resources_per_page(PAGE);
                call.set_pagination_token(token.clone()).send().await.map_err(|error| error.fault(&doing))
            })
            .await?;
        found.extend(page.resource_tag_mapping_list().iter().filter_map(|one| deployment(one.tags())));
        token = page.pagination_token().filter(|token| !token.is_empty()).map(str::to_owned);
        if token.is_none() {
            break;
        }
    }
    Ok(found.into_iter().collect())
}

/// Whose these tags say that something is.
fn deployment(tags: &[Tag]) -> Option<Deployment> {
    let tag = |key: &str| tags.iter().find(|tag| tag.key() == key).map(|tag| tag.value().to_owned());
    Some(Deployment { app: tag(TAG_APP)?, env: tag(TAG_ENV)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(key: &str, value: &str) -> Tag {
        Tag::builder().key(key).value(value).build().expect("key and value are there")
    }

    #[test]
    fn a_deployment_has_both_tags() {
        let both = [tag(TAG_APP, "hits"), tag("team", "web"), tag(TAG_ENV, "test")];
        let found = Deployment { app: "hits".to_owned(), env: "test".to_owned() };
        assert_eq!(deployment(&both), Some(found));
        assert_eq!(deployment(&both[..2]), None);
        assert_eq!(deployment(&[]), None);
    }
}
