//! Generates the privacy text of a configuration: facts about the data that the counter keeps about visitors. Pure. Does not give
//! a legal assessment.

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

const BROWSER_TEXT: &str = "In the browser, nothing is stored and nothing is read: no cookie, no local storage, no fingerprint. The \
script sends the path of the page, and whether a program drives the browser. It makes no other connection than that to the counter.";

fn page_counts(app: &AppConfig) -> String {
    let top = if app.counter.public_stats {
        " The list of the pages and these numbers are public."
    } else {
        " The number of a page is public for whoever names the page; there is no public list."
    };
    format!(
        "For each page, the counter keeps how often it was viewed: in all, on each of the last 31 days and in each of the last \
         36 months at most, with the day of the first and the time of the last view.{top}"
    )
}

fn visitors(app: &AppConfig) -> String {
    let hash = "To count a visitor once a day, the address (of IPv6, the first 64 bits) and the name that the browser sends of \
                itself (the user agent) are put through a keyed hash, HMAC-SHA-256, with a random key that is made anew each day \
                (UTC). The hash, cut to 128 bits, is kept; the address and the user agent are not. The keys of past days are \
                deleted: when a visitor comes two days later or, at the latest, by the table's expiry, which usually takes \
                another two days at most. The hashes expire in the same way. While its key is there, a hash is a pseudonym; after \
                that nobody can tell whose it was. Who comes back on another day is a new visitor, and what is called a number \
                of visitors is the sum over days.";
    match app.counter.visitors {
        VisitorMode::None if app.counter.paths == PathPolicy::Budget => {
            "Visitors are not told apart, and there is no number of them: no address and no user agent is kept.".to_owned()
        }
        VisitorMode::None => "Visitors are not told apart, and there is no number of them: nothing is made of an address or of a \
                           user agent, and nothing of either is kept."
            .to_owned(),
        VisitorMode::Hash => hash.to_owned(),
        VisitorMode::Raw => format!(
            "The address of each visitor is kept, with the number of views and the times of the first and the last one. It \
             expires {} days after the last view; the table deletes what has expired within some days. These are personal data. \
             Besides: {}{}",
            app.counter.ttl_days,
            hash[..1].to_ascii_lowercase(),
            &hash[1..]
        ),
    }
}

fn opt_outs(app: &AppConfig) -> Option<String> {
    let subject = "Who asks not to be followed (`Sec-GPC: 1` or `DNT: 1`)";
    match (app.counter.gpc, app.counter.visitors) {
        (GpcPolicy::Ignore, _) => Some(format!("{subject} is not counted at all.")),
        (GpcPolicy::Count, VisitorMode::None) => None,
        (GpcPolicy::Count, _) => {
            Some(format!("{subject} counts as a view; nothing is made of the address or the user agent."))
        }
    }
}

fn repeats(app: &AppConfig) -> Option<String> {
    let seconds = app.counter.repeat_window_s;
    (seconds > 0).then(|| {
        format!(
            "So that a reload does not count again, the program keeps, for {seconds} seconds and in its memory alone, a hash of \
             address, user agent and page, with a key that no one else knows and that ends with the program. It is never written \
             anywhere."
        )
    })
}

/// Describes the data that keeps one client from using up the budget of new paths.
fn budget_groups(app: &AppConfig) -> Option<String> {
    (app.counter.paths == PathPolicy::Budget).then(|| {
        "So that one client cannot use up the day's budget of new pages, the counter keeps until the next day how many new pages came \
         from each of 32 groups of visitors and 32 groups of networks. The number of a group, from 0 to 31, is made of the address, the \
         user agent and the day, changes every day, and is common to thousands; it tells nobody from anybody. None is made of who \
         asks not to be followed."
            .to_owned()
    })
}

fn bots(app: &AppConfig) -> String {
    let dropped =
        "How many views were not counted is kept by month and reason, without anything of who asked.";
    match app.counter.bots {
        BotPolicy::Ignore => format!(
            "Robots are recognised by their user agent, which is looked at and forgotten, and are not counted. {dropped}"
        ),
        BotPolicy::Count => format!("Robots are counted like people. {dropped}"),
    }
}

/// Describes the data that waits on the queue until it is counted.
fn queue_retention(loaded: &LoadedConfig) -> Option<String> {
    let app = &loaded.app;
    let on_queue = app.queue.enabled && app.queue.ingest == QueueIngest::Http;
    let with = match (needs_visitor_ip(app), needs_user_agent(app)) {
        (true, true) => "with the address and the user agent it came from, and the site of the page",
        (true, false) => "with the address it came from, and the site of the page",
        (false, true) => "with its user agent and the site of the page, and without an address",
        (false, false) => "with the site of the page, without an address or a user agent",
    };
    let days = |seconds: u32| seconds / 86_400;
    on_queue.then(|| {
        format!(
            "A view waits in a queue until it is counted, {with}: for about {} seconds, and for {} days at most. What cannot be counted is set \
             aside for {} days at most, and then goes. Whether its visitor asks not to be followed is in the view itself. The queue is encrypted{}.",
            app.queue.window_s,
            days(contract::QUEUE_RETENTION_S),
            days(contract::DEAD_LETTER_RETENTION_S),
            if loaded.target == DeployTarget::Local { " in an account of Amazon Web Services; on this machine it is a file of one user" } else { "" },
        )
    })
}

/// Describes the data in access logs, which `CloudFront` writes and the counter reads.
fn access_logs(app: &AppConfig) -> Option<String> {
    app.cloudfront.log_bucket.as_ref().map(|bucket| {
        format!(
            "Views are also counted from the access logs of the site's distribution, in the bucket `{bucket}`. They have the address and the user \
             agent of each request; the counter reads them and changes nothing there, and how long they are kept is up to the bucket."
        )
    })
}

fn storage(loaded: &LoadedConfig) -> String {
    let app = &loaded.app;
    let log = "No address and no user agent is written to the log";
    match loaded.target {
        DeployTarget::Local => format!("All of this is on one machine, in files of one user. {log}."),
        DeployTarget::Aws => {
            let region = app.region.as_deref().unwrap_or("the region that was chosen at the deploy");
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
                (true, false) => "the queue is one of Amazon SQS there, and access logs are off",
                (false, true) => "no other service is involved",
                (true, true) => "the queue is one of Amazon SQS there",
            };
            let copies = if app.table.point_in_time_recovery {
                " Of the counts there are backups of the last 35 days; of the visitors' table there are none."
            } else {
                ""
            };
            format!(
                "All of this is in the owner's own account at Amazon Web Services, in {region} (DynamoDB, {tables}); \
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
        For each page, the counter keeps how often it was viewed: in all, on each of the last 31 days and in each of the last 36 months at most, with the day of the first and the time of the last view. The number of a page is public for whoever names the page; there is no public list.

        To count a visitor once a day, the address (of IPv6, the first 64 bits) and the name that the browser sends of itself (the user agent) are put through a keyed hash, HMAC-SHA-256, with a random key that is made anew each day (UTC). The hash, cut to 128 bits, is kept; the address and the user agent are not. The keys of past days are deleted: when a visitor comes two days later or, at the latest, by the table's expiry, which usually takes another two days at most. The hashes expire in the same way. While its key is there, a hash is a pseudonym; after that nobody can tell whose it was. Who comes back on another day is a new visitor, and what is called a number of visitors is the sum over days.

        Who asks not to be followed (`Sec-GPC: 1` or `DNT: 1`) counts as a view; nothing is made of the address or the user agent.

        So that a reload does not count again, the program keeps, for 10 seconds and in its memory alone, a hash of address, user agent and page, with a key that no one else knows and that ends with the program. It is never written anywhere.

        So that one client cannot use up the day's budget of new pages, the counter keeps until the next day how many new pages came from each of 32 groups of visitors and 32 groups of networks. The number of a group, from 0 to 31, is made of the address, the user agent and the day, changes every day, and is common to thousands; it tells nobody from anybody. None is made of who asks not to be followed.

        Robots are recognised by their user agent, which is looked at and forgotten, and are not counted. How many views were not counted is kept by month and reason, without anything of who asked.

        In the browser, nothing is stored and nothing is read: no cookie, no local storage, no fingerprint. The script sends the path of the page, and whether a program drives the browser. It makes no other connection than that to the counter.

        All of this is in the owner's own account at Amazon Web Services, in eu-central-1 (DynamoDB, tables `hits-prod` and `hits-prod-seen`); no other service is involved, and access logs are off. Of the counts there are backups of the last 35 days; of the visitors' table there are none. No address and no user agent is written to the log, which is kept for 14 days.
        ");
    }

    #[test]
    fn paragraphs_of_minimal_settings() {
        let toml =
            "[counter]\nvisitors = \"none\"\nrepeat_window_s = 0\nbots = \"count\"\npaths = \"open\"\n";
        insta::assert_snapshot!(text(toml, "local"), @"
        For each page, the counter keeps how often it was viewed: in all, on each of the last 31 days and in each of the last 36 months at most, with the day of the first and the time of the last view. The number of a page is public for whoever names the page; there is no public list.

        Visitors are not told apart, and there is no number of them: nothing is made of an address or of a user agent, and nothing of either is kept.

        Robots are counted like people. How many views were not counted is kept by month and reason, without anything of who asked.

        In the browser, nothing is stored and nothing is read: no cookie, no local storage, no fingerprint. The script sends the path of the page, and whether a program drives the browser. It makes no other connection than that to the counter.

        All of this is on one machine, in files of one user. No address and no user agent is written to the log.
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
        A view waits in a queue until it is counted, with the address and the user agent it came from, and the site of the page: for about 60 seconds, and for 4 days at most. What cannot be counted is set aside for 14 days at most, and then goes. Whether its visitor asks not to be followed is in the view itself. The queue is encrypted.

        Views are also counted from the access logs of the site's distribution, in the bucket `my-logs`. They have the address and the user agent of each request; the counter reads them and changes nothing there, and how long they are kept is up to the bucket.

        All of this is in the owner's own account at Amazon Web Services, in eu-central-1 (DynamoDB, tables `hits-prod` and `hits-prod-seen`); the queue is one of Amazon SQS there. Of the counts there are backups of the last 35 days; of the visitors' table there are none. No address and no user agent is written to the log, which is kept for 14 days.
        ");
        let least = "[counter]\nvisitors = \"none\"\nrepeat_window_s = 0\nbots = \"count\"\n[queue]\nenabled = true\ningest = \"http\"\n[env.prod]\n";
        assert!(text(least, "prod").contains("without an address or a user agent"));
    }

    #[test]
    fn paragraphs_with_raw_visitors_mention_kept_addresses() {
        let toml = "[counter]\nvisitors = \"raw\"\ni_know_this_is_personal_data = true\nttl_days = 7\ngpc = \"ignore\"\npublic_stats = true\n[table]\npoint_in_time_recovery = false\n[env.prod]\n";
        let text = text(toml, "prod");
        assert!(text.contains("The address of each visitor is kept"), "{text}");
        assert!(text.contains("expires 7 days after the last view"), "{text}");
        assert!(text.contains("is not counted at all") && text.contains("are public"), "{text}");
        assert!(!text.contains("backups"), "{text}");
    }

    #[test]
    fn paragraphs_without_visitors_do_not_mention_hashes() {
        let text = text("[counter]\nvisitors = \"none\"\nrepeat_window_s = 0\n[env.prod]\n", "prod");
        assert!(!text.contains("hash") && !text.contains("-seen"), "{text}");
        assert!(
            text.contains("no address and no user agent is kept") && text.contains("32 groups"),
            "{text}"
        );
    }
}
