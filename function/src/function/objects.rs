//! Handles messages about objects that were created in S3 buckets. The paths of a batch's objects in the site
//! bucket are invalidated with one request; objects in the log bucket are counted as access logs. A message
//! whose objects could not be handled is reported as failed, so that it is delivered again.

use std::collections::BTreeSet;

use super::CounterFunction;
use super::services::deadline;
use crate::batch::{BatchResult, MessageError};
use crate::cloudfront;
use crate::invalidate;
use crate::lambda::RuntimeInvocation;
use crate::log_files;
use crate::trigger::{InboundMessage, ParsedContent, S3Object};

impl CounterFunction {
    /// Handles the objects of all messages and adds failures to `counted`.
    pub(super) fn handle_objects(
        &mut self,
        messages: &[InboundMessage],
        invocation: &RuntimeInvocation,
        counted: &mut BatchResult,
    ) {
        let (mut site_objects, mut site_messages) = (Vec::new(), BTreeSet::new());
        let mut log_objects = Vec::new();
        let sources = &self.settings.event_options;
        for (index, message) in messages.iter().enumerate() {
            let Ok(ParsedContent::Objects(objects)) = &message.content else { continue };
            let is_in =
                |bucket: &Option<String>, object: &S3Object| bucket.as_deref() == Some(&object.bucket);
            for object in objects {
                if is_in(&sources.log_bucket, object) {
                    log_objects.push((index, object));
                } else if is_in(&sources.site_bucket, object) && self.settings.invalidate.is_some() {
                    site_messages.insert(index);
                    site_objects.push(object.clone());
                } else {
                    let why = "the object is in neither the site bucket nor the log bucket".to_owned();
                    counted.failed.insert(index, MessageError::Malformed(why));
                }
            }
        }
        if !site_objects.is_empty()
            && let Err(why) = self.invalidate_objects(&site_objects, invocation)
        {
            for index in site_messages {
                counted.failed.entry(index).or_insert_with(|| MessageError::NotStored(why.clone()));
            }
        }
        for (index, object) in log_objects {
            if let Err(failed) = self.count_log_file(index, object, invocation, counted) {
                counted.failed.entry(index).or_insert(failed);
            }
        }
    }

    fn invalidate_objects(
        &mut self,
        objects: &[S3Object],
        invocation: &RuntimeInvocation,
    ) -> Result<(), String> {
        let Some(invalidation) = self.settings.invalidate.clone() else { return Ok(()) };
        let (paths, reference) = (invalidate::paths(objects), invalidate::objects_reference(objects));
        let until = deadline(self.time_left(invocation));
        cloudfront::invalidate(self.cloudfront()?, &invalidation.distribution, &paths, &reference, until)
    }

    fn count_log_file(
        &mut self,
        index: usize,
        object: &S3Object,
        invocation: &RuntimeInvocation,
        counted: &mut BatchResult,
    ) -> Result<(), MessageError> {
        let (mut client, path) =
            self.access.s3(&self.settings, &object.bucket, &object.key).map_err(MessageError::NotStored)?;
        let until = deadline(self.time_left(invocation));
        let file = log_files::fetch_object(&mut client, &path, until)?;
        let now = (self.access.clock)();
        let has_dedup_table = self.settings.has_dedup_table;
        let mut context = self.counter.batch_context();
        log_files::count(&mut context, (index, object), &file, has_dedup_table, now, counted)
            .map_err(MessageError::Malformed)
    }
}
