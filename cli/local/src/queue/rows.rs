//! The messages as rows: what is done to them within one commit. Nothing here waits, and nothing reads a clock.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension as _, Row, named_params, params};

use super::message::{Message, Outgoing, Receipt, Sent, md5_of, md5_of_attributes};
use crate::ids::uuid;

/// What a receive needs to know of its queue.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) queue: i64,
    pub(super) arn: String,
    pub(super) retention_ms: i64,
    /// The queue of dead letters, and how often a message is received before it goes there.
    pub(super) redrive: Option<(i64, u32)>,
    /// Whether it is time to look for what has expired.
    pub(super) sweeps: bool,
}

/// What a receive gave.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) messages: Vec<Message>,
    /// Whether some went to the queue of dead letters.
    pub(super) moved: bool,
    /// Whether one was left that did not fit.
    pub(super) left: bool,
    /// When the next one becomes visible, when there was none.
    pub(super) next_ms: Option<i64>,
}

/// What is on a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Depth {
    /// That can be received.
    pub(crate) visible: u64,
    /// That were received, and not deleted yet.
    pub(crate) in_flight: u64,
    /// That were sent with a delay which has not passed.
    pub(crate) delayed: u64,
    /// How old the oldest is, in milliseconds.
    pub(crate) oldest_ms: Option<i64>,
}

impl Depth {
    /// All of them.
    pub(crate) fn all(self) -> u64 {
        self.visible + self.in_flight + self.delayed
    }
}

/// What became of a wish to change when a message becomes visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Done,
    /// It is not hidden from anybody.
    NotInFlight,
    /// It is gone, or was delivered again.
    Gone,
}

/// Finds a queue, or makes it: its id, and when it was made.
pub(super) fn queue(db: &Connection, name: &str, now: i64) -> rusqlite::Result<(i64, i64)> {
    db.prepare_cached("INSERT INTO queues (name, created_ms) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING")?
        .execute(params![name, now])?;
    db.prepare_cached("SELECT id, created_ms FROM queues WHERE name = ?1")?
        .query_row([name], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// The names of all queues.
pub(super) fn names(db: &Connection) -> rusqlite::Result<BTreeSet<String>> {
    let mut query = db.prepare("SELECT name FROM queues")?;
    query.query_map([], |row| row.get(0))?.collect()
}

/// Removes a queue, and what is on it.
pub(super) fn remove(db: &Connection, name: &str) -> rusqlite::Result<()> {
    db.execute("DELETE FROM messages WHERE queue = (SELECT id FROM queues WHERE name = ?1)", [name])?;
    db.execute("DELETE FROM queues WHERE name = ?1", [name]).map(drop)
}

/// Removes what is on a queue.
pub(super) fn purge(db: &Connection, queue: i64) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM messages WHERE queue = ?1")?.execute([queue]).map(drop)
}

/// Removes what is older than the queue keeps it, if it is time.
pub(super) fn expire(db: &Connection, rules: &Rules, now: i64) -> rusqlite::Result<()> {
    if rules.sweeps {
        db.prepare_cached("DELETE FROM messages WHERE queue = ?1 AND sent_ms < ?2")?
            .execute(params![rules.queue, now - rules.retention_ms])?;
    }
    Ok(())
}

/// Puts messages on a queue, in their order.
pub(super) fn send(
    db: &Connection,
    queue: i64,
    messages: &[Outgoing],
    now: i64,
) -> rusqlite::Result<Vec<Sent>> {
    let mut insert = db.prepare_cached(
        "INSERT INTO messages (queue, message_id, body, md5, attributes, trace, sent_ms, visible_ms) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    let mut all = Vec::with_capacity(messages.len());
    for Outgoing { body, attributes, trace, delay_s } in messages {
        let (message_id, md5) = (uuid(), md5_of(body.as_bytes()));
        let kept = (!attributes.is_empty()).then(|| serde_json::to_string(attributes).unwrap_or_default());
        let visible = now + i64::from(*delay_s) * 1000;
        insert.execute(params![queue, message_id, body, md5, kept, trace, now, visible])?;
        all.push(Sent { message_id, md5, attributes_md5: md5_of_attributes(attributes) });
    }
    Ok(all)
}

/// Takes up to `max` messages, as long as they fit, and hides them for `hidden_ms`.
pub(super) fn receive(
    db: &Connection,
    rules: &Rules,
    now: i64,
    hidden_ms: i64,
    max: usize,
    fits: &mut dyn FnMut(&Message) -> bool,
) -> rusqlite::Result<Taken> {
    let mut taken = Taken::default();
    loop {
        // By the index alone: bodies are read one at a time, as long as they fit.
        let left = i64::try_from(max - taken.messages.len()).unwrap_or(i64::MAX);
        let rows = db
            .prepare_cached(
                "SELECT id FROM messages WHERE queue = ?1 AND visible_ms <= ?2 ORDER BY visible_ms, id LIMIT ?3",
            )?
            .query_map(params![rules.queue, now, left], |row| row.get(0))?
            .collect::<rusqlite::Result<Vec<i64>>>()?;
        let mut went = false;
        for id in rows {
            let mut message = db
                .prepare_cached(
                    "SELECT id, queue, message_id, body, md5, attributes, trace, source, sent_ms, received, \
                     first_received_ms FROM messages WHERE id = ?1",
                )?
                .query_row([id], message)?;
            if message.sent_ms < now - rules.retention_ms {
                db.prepare_cached("DELETE FROM messages WHERE id = ?1")?.execute([id])?;
                went = true;
            } else if let Some((dead, max)) = rules.redrive
                && message.received >= max
            {
                db.prepare_cached(
                    "UPDATE messages SET queue = ?2, visible_ms = ?3, source = ?4 WHERE id = ?1",
                )?
                .execute(params![id, dead, now, rules.arn])?;
                (went, taken.moved) = (true, true);
            } else {
                message.received += 1;
                if message.received == 1 {
                    message.first_received_ms = now;
                }
                if !fits(&message) {
                    taken.left = true;
                    return Ok(taken);
                }
                db.prepare_cached(
                    "UPDATE messages SET received = ?2, first_received_ms = ?3, visible_ms = ?4 WHERE id = ?1",
                )?
                .execute(params![id, message.received, message.first_received_ms, now + hidden_ms])?;
                taken.messages.push(message);
            }
        }
        // What is not hidden at all would come again and again.
        if !went || taken.messages.len() >= max || (hidden_ms <= 0 && !taken.messages.is_empty()) {
            break;
        }
    }
    if taken.messages.is_empty() {
        taken.next_ms = db
            .prepare_cached("SELECT visible_ms FROM messages WHERE queue = ?1 ORDER BY visible_ms LIMIT 1")?
            .query_row([rules.queue], |row| row.get(0))
            .optional()?;
    }
    Ok(taken)
}

fn message(row: &Row<'_>) -> rusqlite::Result<Message> {
    let attributes: Option<String> = row.get("attributes")?;
    let attributes = attributes.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    Ok(Message {
        row: row.get("id")?,
        queue: row.get("queue")?,
        id: row.get("message_id")?,
        body: row.get("body")?,
        md5: row.get("md5")?,
        attributes,
        trace: row.get("trace")?,
        source: row.get("source")?,
        sent_ms: row.get("sent_ms")?,
        received: row.get("received")?,
        first_received_ms: row.get::<_, Option<i64>>("first_received_ms")?.unwrap_or_default(),
    })
}

/// Deletes what those deliveries are of. An older delivery of a message deletes nothing, and that is no error, as on AWS.
pub(super) fn delete(db: &Connection, receipts: &[Receipt]) -> rusqlite::Result<()> {
    let mut delete = db.prepare_cached(
        "DELETE FROM messages WHERE id = ?1 AND queue = ?2 AND received = ?3 AND message_id = ?4",
    )?;
    for Receipt { queue, row, received, message_id } in receipts {
        delete.execute(params![row, queue, received, message_id])?;
    }
    Ok(())
}

/// Hides a message for so long from now on.
pub(super) fn change(
    db: &Connection,
    receipt: &Receipt,
    now: i64,
    hidden_ms: i64,
) -> rusqlite::Result<Change> {
    let Receipt { queue, row, received, message_id } = receipt;
    let visible: Option<i64> = db
        .prepare_cached(
            "SELECT visible_ms FROM messages WHERE id = ?1 AND queue = ?2 AND received = ?3 AND message_id = ?4",
        )?
        .query_row(params![row, queue, received, message_id], |row| row.get(0))
        .optional()?;
    Ok(match visible {
        None => Change::Gone,
        Some(visible) if visible <= now => Change::NotInFlight,
        Some(_) => {
            db.prepare_cached("UPDATE messages SET visible_ms = ?2 WHERE id = ?1")?
                .execute(params![row, now + hidden_ms])?;
            Change::Done
        }
    })
}

/// Takes deliveries back that nobody has seen: as if the messages had not been received.
pub(super) fn release(db: &Connection, receipts: &[Receipt], now: i64) -> rusqlite::Result<()> {
    let mut back = db.prepare_cached(
        "UPDATE messages SET visible_ms = :now, received = received - 1, \
         first_received_ms = CASE received WHEN 1 THEN NULL ELSE first_received_ms END \
         WHERE id = :row AND queue = :queue AND received = :received AND message_id = :message_id",
    )?;
    for Receipt { queue, row, received, message_id } in receipts {
        back.execute(named_params! {
            ":now": now, ":row": row, ":queue": queue, ":received": received, ":message_id": message_id,
        })?;
    }
    Ok(())
}

/// How many messages are on a queue, and when the oldest was sent.
pub(super) fn depth(db: &Connection, queue: i64, now: i64) -> rusqlite::Result<Depth> {
    db.prepare_cached(
        "SELECT COUNT(*), COALESCE(SUM(visible_ms <= ?2), 0), COALESCE(SUM(visible_ms > ?2 AND received = 0), 0), \
         MIN(sent_ms) FROM messages WHERE queue = ?1",
    )?
    .query_row(params![queue, now], |row| {
        let (all, visible, delayed): (u64, u64, u64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let sent: Option<i64> = row.get(3)?;
        let oldest_ms = sent.map(|sent| now.saturating_sub(sent).max(0));
        Ok(Depth { visible, delayed, in_flight: all - visible - delayed, oldest_ms })
    })
}
