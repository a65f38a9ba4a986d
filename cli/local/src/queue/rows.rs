//! Operations on the rows of queues and messages, each within one transaction. They neither wait nor read a clock.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension as _, Row, named_params, params};

use super::message::{NewMessage, QueueMessage, Receipt, SendMessageResult, md5_of, md5_of_attributes};
use crate::ids::uuid;

/// The parameters of a queue that a transaction needs.
#[derive(Clone, Debug)]
pub(super) struct QueueParams {
    pub(super) queue_id: i64,
    pub(super) arn: String,
    pub(super) retention_ms: i64,
    /// The id of the dead-letter queue, and the maximum number of receives before a message moves there.
    pub(super) redrive: Option<(i64, u32)>,
    /// Whether expired messages are due for removal.
    pub(super) expire_due: bool,
}

/// The result of a receive.
#[derive(Debug, Default)]
pub(super) struct ReceiveOutcome {
    pub(super) messages: Vec<QueueMessage>,
    /// Whether messages were moved to the dead-letter queue.
    pub(super) moved_to_dlq: bool,
    /// Whether the predicate rejected a message. That message remains visible.
    pub(super) has_more: bool,
    /// If no message was received: when the next one becomes visible, in milliseconds since the Unix epoch.
    pub(super) next_visible_ms: Option<i64>,
}

/// The message counts of a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct MessageCounts {
    /// The messages that can be received.
    pub(crate) visible: u64,
    /// The messages that were received and are hidden until their visibility timeout.
    pub(crate) in_flight: u64,
    /// The messages whose delay has not passed.
    pub(crate) delayed: u64,
    /// The age of the oldest message, in milliseconds.
    pub(crate) oldest_ms: Option<i64>,
}

impl MessageCounts {
    /// Returns the number of all messages.
    pub(crate) fn total(self) -> u64 {
        self.visible + self.in_flight + self.delayed
    }
}

/// The result of changing a visibility timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VisibilityChange {
    Changed,
    /// The message is visible already.
    NotInFlight,
    /// The message was deleted or received again.
    NotFound,
}

/// Finds or creates a queue. Returns its id and creation time, in milliseconds since the Unix epoch.
pub(super) fn get_or_create_queue(db: &Connection, name: &str, now: i64) -> rusqlite::Result<(i64, i64)> {
    db.prepare_cached("INSERT INTO queues (name, created_ms) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING")?
        .execute(params![name, now])?;
    db.prepare_cached("SELECT id, created_ms FROM queues WHERE name = ?1")?
        .query_row([name], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// Returns the names of all queues.
pub(super) fn queue_names(db: &Connection) -> rusqlite::Result<BTreeSet<String>> {
    let mut query = db.prepare("SELECT name FROM queues")?;
    query.query_map([], |row| row.get(0))?.collect()
}

/// Deletes a queue and its messages.
pub(super) fn delete_queue(db: &Connection, name: &str) -> rusqlite::Result<()> {
    db.execute("DELETE FROM messages WHERE queue = (SELECT id FROM queues WHERE name = ?1)", [name])?;
    db.execute("DELETE FROM queues WHERE name = ?1", [name]).map(drop)
}

/// Deletes all messages of a queue.
pub(super) fn purge(db: &Connection, queue_id: i64) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM messages WHERE queue = ?1")?.execute([queue_id]).map(drop)
}

/// Deletes the messages that are older than the queue's retention period, if their removal is due.
pub(super) fn delete_expired(db: &Connection, params: &QueueParams, now: i64) -> rusqlite::Result<()> {
    if params.expire_due {
        db.prepare_cached("DELETE FROM messages WHERE queue = ?1 AND sent_ms < ?2")?
            .execute(params![params.queue_id, now - params.retention_ms])?;
    }
    Ok(())
}

/// Inserts messages into a queue, in their order.
pub(super) fn send(
    db: &Connection,
    queue_id: i64,
    messages: &[NewMessage],
    now: i64,
) -> rusqlite::Result<Vec<SendMessageResult>> {
    let mut insert = db.prepare_cached(
        "INSERT INTO messages (queue, message_id, body, md5, attributes, trace, sent_ms, visible_ms) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    let mut all = Vec::with_capacity(messages.len());
    for NewMessage { body, attributes, trace_header, delay_s } in messages {
        let (message_id, md5) = (uuid(), md5_of(body.as_bytes()));
        let attributes_json =
            (!attributes.is_empty()).then(|| serde_json::to_string(attributes).unwrap_or_default());
        let visible = now + i64::from(*delay_s) * 1000;
        insert.execute(params![
            queue_id,
            message_id,
            body,
            md5,
            attributes_json,
            trace_header,
            now,
            visible
        ])?;
        all.push(SendMessageResult { message_id, md5, attributes_md5: md5_of_attributes(attributes) });
    }
    Ok(all)
}

/// Receives up to `max` messages and hides them for `visibility_ms`. Stops before the first message that `fits`
/// rejects. Expired messages are deleted, and messages that were received too often move to the dead-letter queue.
pub(super) fn receive(
    db: &Connection,
    params: &QueueParams,
    now: i64,
    visibility_ms: i64,
    max: usize,
    fits: &mut dyn FnMut(&QueueMessage) -> bool,
) -> rusqlite::Result<ReceiveOutcome> {
    let mut received = ReceiveOutcome::default();
    loop {
        // This query needs only the index. Bodies are read one at a time, until `fits` rejects a message.
        let limit = i64::try_from(max - received.messages.len()).unwrap_or(i64::MAX);
        let rows = db
            .prepare_cached(
                "SELECT id FROM messages WHERE queue = ?1 AND visible_ms <= ?2 ORDER BY visible_ms, id LIMIT ?3",
            )?
            .query_map(params![params.queue_id, now, limit], |row| row.get(0))?
            .collect::<rusqlite::Result<Vec<i64>>>()?;
        let mut removed_any = false;
        for id in rows {
            let mut message = db
                .prepare_cached(
                    "SELECT id, queue, message_id, body, md5, attributes, trace, source, sent_ms, received, \
                     first_received_ms FROM messages WHERE id = ?1",
                )?
                .query_row([id], read_message)?;
            if message.sent_ms < now - params.retention_ms {
                db.prepare_cached("DELETE FROM messages WHERE id = ?1")?.execute([id])?;
                removed_any = true;
            } else if let Some((dlq_id, max_receives)) = params.redrive
                && message.receive_count >= max_receives
            {
                db.prepare_cached(
                    "UPDATE messages SET queue = ?2, visible_ms = ?3, source = ?4 WHERE id = ?1",
                )?
                .execute(params![id, dlq_id, now, params.arn])?;
                (removed_any, received.moved_to_dlq) = (true, true);
            } else {
                message.receive_count += 1;
                if message.receive_count == 1 {
                    message.first_received_ms = now;
                }
                if !fits(&message) {
                    received.has_more = true;
                    return Ok(received);
                }
                db.prepare_cached(
                    "UPDATE messages SET received = ?2, first_received_ms = ?3, visible_ms = ?4 WHERE id = ?1",
                )?
                .execute(params![id, message.receive_count, message.first_received_ms, now + visibility_ms])?;
                received.messages.push(message);
            }
        }
        // Query again if removed messages took the place of others. Without a visibility timeout, another query would
        // return the same messages again.
        if !removed_any
            || received.messages.len() >= max
            || (visibility_ms <= 0 && !received.messages.is_empty())
        {
            break;
        }
    }
    if received.messages.is_empty() {
        received.next_visible_ms = db
            .prepare_cached("SELECT visible_ms FROM messages WHERE queue = ?1 ORDER BY visible_ms LIMIT 1")?
            .query_row([params.queue_id], |row| row.get(0))
            .optional()?;
    }
    Ok(received)
}

fn read_message(row: &Row<'_>) -> rusqlite::Result<QueueMessage> {
    let attributes: Option<String> = row.get("attributes")?;
    let attributes = attributes.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    Ok(QueueMessage {
        row_id: row.get("id")?,
        queue_id: row.get("queue")?,
        id: row.get("message_id")?,
        body: row.get("body")?,
        md5: row.get("md5")?,
        attributes,
        trace_header: row.get("trace")?,
        source_arn: row.get("source")?,
        sent_ms: row.get("sent_ms")?,
        receive_count: row.get("received")?,
        first_received_ms: row.get::<_, Option<i64>>("first_received_ms")?.unwrap_or_default(),
    })
}

/// Deletes received messages. As on AWS, a receipt of an older delivery deletes nothing and is not an error.
pub(super) fn delete_messages(db: &Connection, receipts: &[Receipt]) -> rusqlite::Result<()> {
    let mut delete = db.prepare_cached(
        "DELETE FROM messages WHERE id = ?1 AND queue = ?2 AND received = ?3 AND message_id = ?4",
    )?;
    for Receipt { queue_id, row_id, receive_count, message_id } in receipts {
        delete.execute(params![row_id, queue_id, receive_count, message_id])?;
    }
    Ok(())
}

/// Sets a message's visibility timeout, counted from `now`.
pub(super) fn change_visibility(
    db: &Connection,
    receipt: &Receipt,
    now: i64,
    visibility_ms: i64,
) -> rusqlite::Result<VisibilityChange> {
    let Receipt { queue_id, row_id, receive_count, message_id } = receipt;
    let visible: Option<i64> = db
        .prepare_cached(
            "SELECT visible_ms FROM messages WHERE id = ?1 AND queue = ?2 AND received = ?3 AND message_id = ?4",
        )?
        .query_row(params![row_id, queue_id, receive_count, message_id], |row| row.get(0))
        .optional()?;
    Ok(match visible {
        None => VisibilityChange::NotFound,
        Some(visible) if visible <= now => VisibilityChange::NotInFlight,
        Some(_) => {
            db.prepare_cached("UPDATE messages SET visible_ms = ?2 WHERE id = ?1")?
                .execute(params![row_id, now + visibility_ms])?;
            VisibilityChange::Changed
        }
    })
}

/// Undoes deliveries that no consumer has seen, as if the messages had not been received.
pub(super) fn release(db: &Connection, receipts: &[Receipt], now: i64) -> rusqlite::Result<()> {
    let mut update = db.prepare_cached(
        "UPDATE messages SET visible_ms = :now, received = received - 1, \
         first_received_ms = CASE received WHEN 1 THEN NULL ELSE first_received_ms END \
         WHERE id = :row AND queue = :queue AND received = :received AND message_id = :message_id",
    )?;
    for Receipt { queue_id, row_id, receive_count, message_id } in receipts {
        update.execute(named_params! {
            ":now": now, ":row": row_id, ":queue": queue_id, ":received": receive_count, ":message_id": message_id,
        })?;
    }
    Ok(())
}

/// Returns the message counts of a queue and the age of its oldest message.
pub(super) fn depth(db: &Connection, queue_id: i64, now: i64) -> rusqlite::Result<MessageCounts> {
    db.prepare_cached(
        "SELECT COUNT(*), COALESCE(SUM(visible_ms <= ?2), 0), COALESCE(SUM(visible_ms > ?2 AND received = 0), 0), \
         MIN(sent_ms) FROM messages WHERE queue = ?1",
    )?
    .query_row(params![queue_id, now], |row| {
        let (all, visible, delayed): (u64, u64, u64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let sent: Option<i64> = row.get(3)?;
        let oldest_ms = sent.map(|sent| now.saturating_sub(sent).max(0));
        Ok(MessageCounts { visible, delayed, in_flight: all - visible - delayed, oldest_ms })
    })
}
