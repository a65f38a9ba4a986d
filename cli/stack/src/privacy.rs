//! Generates the privacy text of a configuration: facts about the data that the counter keeps about visitors. A pure
//! function. It gives no legal assessment.

use hitctl_config::{
    AppConfig, BotPolicy, DeployTarget, GpcPolicy, LoadedConfig, PathPolicy, QueueIngest, VisitorMode,
    contract, names,
};

use crate::graph::{needs_user_agent, needs_visitor_ip};

/// Returns the paragraphs of the text in order.
pub fn paragraphs(loaded: &LoadedConfig) -> Vec<String> {
    let app = &loaded.app;
    let paragraphs = [
        Some(page_counts(app)),
        Some(visitors(app)),
        opt_outs(app),
        repeats(app),
        budget_groups(app),
        Some(bots(app)),
        queue_retention(loaded),
        access_logs(app),
        Some(BROWSER_TEXT.to_owned()),
        Some(storage(loaded)),
    ];
    paragraphs.into_iter().flatten().collect()
}

const BROWSER_TEXT: &str = "Nothing is stored or read in the browser: no cookie, no local storage, no fingerprint. The script sends the \
path of the page, and whether a program controls the browser. It connects only to the counter.";

fn page_counts(app: &AppConfig) -> String {
    let top = if app.counter.public_stats {
        " The list of pages and these numbers are public."
    } else {
        " The number of a page is public to anyone who knows its path; there is no public list."
    };
    format!(
        "For each page, the counter stores the number of views: in total, per day for at most 31 days, and per month for at \
         most 36 months. It also stores the day of the first view and the time of the last view.{top}"
    )
}

fn visitors(app: &AppConfig) -> String {
    let hash = "To count a visitor once per day, the counter computes a keyed hash (HMAC-SHA-256) of the IP address (of IPv6, the \
                first 64 bits) and the user agent, which is the name that the browser sends. The key is random and changes every \
                day (UTC). The hash, cut to 128 bits, is stored; the address and the user agent are not. The key of a day is \
                deleted when a visitor comes two days later. Otherwise it expires in the table, which usually takes at most \
                another two days. The hashes expire in the same way. While its key exists, a hash is a pseudonym; afterwards it \
                cannot be linked to a person. A visitor who returns on another day counts as a new visitor, so a number of \
                visitors is a sum over days.";
    match app.counter.visitors {
        VisitorMode::None if app.counter.paths == PathPolicy::Budget => {
            "Visitors are not distinguished or counted. No address and no user agent is stored.".to_owned()
        }
        VisitorMode::None => "Visitors are not distinguished or counted. No address, no user agent and nothing derived from them \
                           is stored."
            .to_owned(),
        VisitorMode::Hash => hash.to_owned(),
        VisitorMode::Raw => format!(
            "The IP address of each visitor is stored, with the number of views and the times of the first and the last view. \
             It expires {} days after the last view; the table deletes expired items within a few days. These are personal \
             data. {hash}",
            app.counter.ttl_days
        ),
    }
}

fn opt_outs(app: &AppConfig) -> Option<String> {
    let subject = "A visitor who opts out of tracking (`Sec-GPC: 1` or `DNT: 1`)";
    match (app.counter.gpc, app.counter.visitors) {
        (GpcPolicy::Ignore, _) => Some(format!("{subject} is not counted at all.")),
        (GpcPolicy::Count, VisitorMode::None) => None,
        (GpcPolicy::Count, _) => Some(format!(
            "{subject} counts as a view; nothing is derived from the address or the user agent."
        )),
    }
}

fn repeats(app: &AppConfig) -> Option<String> {
    let seconds = app.counter.repeat_window_s;
    (seconds > 0).then(|| {
        format!(
            "To avoid counting a reload, the program keeps a hash of address, user agent and page for {seconds} seconds, only in \
             memory. The key of the hash is known only to the program and is lost when it ends. The hash is never written to \
             storage."
        )
    })
}

/// Describes the data that keeps one client from using up the budget of new paths.
fn budget_groups(app: &AppConfig) -> Option<String> {
    (app.counter.paths == PathPolicy::Budget).then(|| {
        "To keep one client from using up the day's budget of new pages, the counter stores until the next day how many new pages came \
         from each of 32 groups of visitors and 32 groups of networks. The number of a group, from 0 to 31, is derived from the address, \
         the user agent and the day. It changes every day and is shared by thousands, so it does not identify a visitor. It is not \
         derived for visitors who opt out of tracking."
            .to_owned()
    })
}

fn bots(app: &AppConfig) -> String {
    let dropped = "The number of views that were not counted is stored by month and reason, without data about the visitor.";
    match app.counter.bots {
        BotPolicy::Ignore => format!(
            "Bots are not counted. They are recognized by their user agent, which is examined and then discarded. {dropped}"
        ),
        BotPolicy::Count => format!("Bots are counted like people. {dropped}"),
    }
}

/// Describes the data that waits on the queue until it is counted.
fn queue_retention(loaded: &LoadedConfig) -> Option<String> {
    let app = &loaded.app;
    let on_queue = app.queue.enabled && app.queue.ingest == QueueIngest::Http;
    let message_data = match (needs_visitor_ip(app), needs_user_agent(app)) {
        (true, true) => "with the address and the user agent of the visitor and the site of the page",
        (true, false) => "with the address of the visitor and the site of the page",
        (false, true) => {
            "with the user agent of the visitor and the site of the page, but without an address"
        }
        (false, false) => "with the site of the page, but without an address or a user agent",
    };
    let days = |seconds: u32| seconds / 86_400;
    on_queue.then(|| {
        format!(
            "A view waits in a queue until it is counted, {message_data}: for about {} seconds, and for at most {} days. A view that cannot be counted \
             is kept separately for at most {} days, and then deleted. The view also states whether its visitor opts out of tracking. The queue \
             is encrypted{}.",
            app.queue.window_s,
            days(contract::QUEUE_RETENTION_S),
            days(contract::DEAD_LETTER_RETENTION_S),
            if loaded.target == DeployTarget::Local { " on Amazon Web Services; on this machine, it is an unencrypted file that belongs to one user account" } else { "" },
        )
    })
}

/// Describes the data in access logs, which `CloudFront` writes and the counter reads.
fn access_logs(app: &AppConfig) -> Option<String> {
    app.cloudfront.log_bucket.as_ref().map(|bucket| {
        format!(
            "Views are also counted from the access logs of the site's distribution, in the bucket `{bucket}`. The logs contain the address and \
             the user agent of each request. The counter only reads them; the settings of the bucket decide how long they are kept."
        )
    })
}

fn storage(loaded: &LoadedConfig) -> String {
    let app = &loaded.app;
    let log = "Addresses and user agents are not written to the log";
    match loaded.target {
        DeployTarget::Local => {
            format!("All of this is stored on one machine, in files that belong to one user account. {log}.")
        }
        DeployTarget::Aws => {
            let region = app.region.as_deref().unwrap_or("the region of the deployment");
            let tables = match app.counter.visitors {
                VisitorMode::None => format!("table `{}`", names::table(&app.app, &loaded.env)),
                _ => format!(
                    "tables `{}` and `{}`",
                    names::table(&app.app, &loaded.env),
                    names::seen_table(&app.app, &loaded.env)
                ),
            };
            let services = match (app.queue.enabled, app.cloudfront.log_bucket.is_some()) {
                (false, false) => "no other service is involved, and access logs are off",
                (true, false) => "the queue is in Amazon SQS, and access logs are off",
                (false, true) => "no other service is involved",
                (true, true) => "the queue is in Amazon SQS",
            };
            let copies = if app.table.point_in_time_recovery {
                " There are backups of the counts for the last 35 days, and none of the table of visitors."
            } else {
                ""
            };
            format!(
                "All of this is stored in the owner's own account at Amazon Web Services, in {region} (DynamoDB, {tables}); \
                 {services}.{copies} {log}, which is kept for {} days.",
                app.function.log_retention_days
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(toml: &str, env: &str) -> String {
        let source = Some(("hitctl.toml".into(), toml.to_owned()));
        let loaded =
            hitctl_config::load(source, Some(env), &hitctl_config::Overrides::new()).expect("a valid file");
        paragraphs(&loaded).join("\n\n")
    }

    #[test]
    fn paragraphs_of_defaults() {
        insta::assert_snapshot!(text("region = \"eu-central-1\"\n[env.prod]", "prod"), @"
        For each page, the counter stores the number of views: in total, per day for at most 31 days, and per month for at most 36 months. It also stores the day of the first view and the time of the last view. The number of a page is public to anyone who knows its path; there is no public list.

        To count a visitor once per day, the counter computes a keyed hash (HMAC-SHA-256) of the IP address (of IPv6, the first 64 bits) and the user agent, which is the name that the browser sends. The key is random and changes every day (UTC). The hash, cut to 128 bits, is stored; the address and the user agent are not. The key of a day is deleted when a visitor comes two days later. Otherwise it expires in the table, which usually takes at most another two days. The hashes expire in the same way. While its key exists, a hash is a pseudonym; afterwards it cannot be linked to a person. A visitor who returns on another day counts as a new visitor, so a number of visitors is a sum over days.

        A visitor who opts out of tracking (`Sec-GPC: 1` or `DNT: 1`) counts as a view; nothing is derived from the address or the user agent.

        To avoid counting a reload, the program keeps a hash of address, user agent and page for 10 seconds, only in memory. The key of the hash is known only to the program and is lost when it ends. The hash is never written to storage.

        To keep one client from using up the day's budget of new pages, the counter stores until the next day how many new pages came from each of 32 groups of visitors and 32 groups of networks. The number of a group, from 0 to 31, is derived from the address, the user agent and the day. It changes every day and is shared by thousands, so it does not identify a visitor. It is not derived for visitors who opt out of tracking.

        Bots are not counted. They are recognized by their user agent, which is examined and then discarded. The number of views that were not counted is stored by month and reason, without data about the visitor.

        Nothing is stored or read in the browser: no cookie, no local storage, no fingerprint. The script sends the path of the page, and whether a program controls the browser. It connects only to the counter.

        All of this is stored in the owner's own account at Amazon Web Services, in eu-central-1 (DynamoDB, tables `hits-prod` and `hits-prod-seen`); no other service is involved, and access logs are off. There are backups of the counts for the last 35 days, and none of the table of visitors. Addresses and user agents are not written to the log, which is kept for 14 days.
        ");
    }

    #[test]
    fn paragraphs_of_minimal_settings() {
        let toml =
            "[counter]\nvisitors = \"none\"\nrepeat_window_s = 0\nbots = \"count\"\npaths = \"open\"\n";
        insta::assert_snapshot!(text(toml, "local"), @"
        For each page, the counter stores the number of views: in total, per day for at most 31 days, and per month for at most 36 months. It also stores the day of the first view and the time of the last view. The number of a page is public to anyone who knows its path; there is no public list.

        Visitors are not distinguished or counted. No address, no user agent and nothing derived from them is stored.

        Bots are counted like people. The number of views that were not counted is stored by month and reason, without data about the visitor.

        Nothing is stored or read in the browser: no cookie, no local storage, no fingerprint. The script sends the path of the page, and whether a program controls the browser. It connects only to the counter.

        All of this is stored on one machine, in files that belong to one user account. Addresses and user agents are not written to the log.
        ");
    }

    #[test]
    fn paragraphs_with_queue_and_access_logs_describe_them() {
        let queued = "region = \"eu-central-1\"\n[queue]\nenabled = true\ningest = \"http\"\n[cloudfront]\nlog_bucket = \"my-logs\"\n[env.prod]\n";
        let all = text(queued, "prod");
        let selected: Vec<&str> = all
            .split("\n\n")
            .filter(|part| {
                ["waits in a queue", "access logs", "own account"].iter().any(|word| part.contains(word))
            })
            .collect();
        insta::assert_snapshot!(selected.join("\n\n"), @"
        A view waits in a queue until it is counted, with the address and the user agent of the visitor and the site of the page: for about 60 seconds, and for at most 4 days. A view that cannot be counted is kept separately for at most 14 days, and then deleted. The view also states whether its visitor opts out of tracking. The queue is encrypted.

        Views are also counted from the access logs of the site's distribution, in the bucket `my-logs`. The logs contain the address and the user agent of each request. The counter only reads them; the settings of the bucket decide how long they are kept.

        All of this is stored in the owner's own account at Amazon Web Services, in eu-central-1 (DynamoDB, tables `hits-prod` and `hits-prod-seen`); the queue is in Amazon SQS. There are backups of the counts for the last 35 days, and none of the table of visitors. Addresses and user agents are not written to the log, which is kept for 14 days.
        ");
        let minimal = "[counter]\nvisitors = \"none\"\nrepeat_window_s = 0\nbots = \"count\"\n[queue]\nenabled = true\ningest = \"http\"\n[env.prod]\n";
        assert!(text(minimal, "prod").contains("without an address or a user agent"));
    }

    #[test]
    fn paragraphs_with_raw_visitors_mention_kept_addresses() {
        let toml = "[counter]\nvisitors = \"raw\"\ni_know_this_is_personal_data = true\nttl_days = 7\ngpc = \"ignore\"\npublic_stats = true\n[table]\npoint_in_time_recovery = false\n[env.prod]\n";
        let text = text(toml, "prod");
        assert!(text.contains("The IP address of each visitor is stored"), "{text}");
        assert!(text.contains("expires 7 days after the last view"), "{text}");
        assert!(text.contains("is not counted at all") && text.contains("are public"), "{text}");
        assert!(!text.contains("backups"), "{text}");
    }

    #[test]
    fn paragraphs_without_visitors_do_not_mention_hashes() {
        let text = text("[counter]\nvisitors = \"none\"\nrepeat_window_s = 0\n[env.prod]\n", "prod");
        assert!(!text.contains("hash") && !text.contains("-seen"), "{text}");
        assert!(
            text.contains("No address and no user agent is stored") && text.contains("32 groups"),
            "{text}"
        );
    }
}
