-- Stays of leads in states as the reports count them (spec §7.0), from transitions, events and merges: without leads that were merged
-- away and without transitions that were taken back, at the times as they were corrected.
CREATE OR REPLACE VIEW visits AS
WITH taken_back AS (
  SELECT lead, refers_to - 1 AS revision FROM transitions WHERE type = 'TransitionVoided' AND refers_to > 0
),
corrected AS (
  SELECT lead, refers_to - 1 AS revision, arg_max(corrected_at, events.revision) AS entered_at
  FROM events
  WHERE type = 'OccurredAtCorrected' AND refers_to > 0
  GROUP BY lead, refers_to
),
merged_away AS (
  SELECT lead FROM merges WHERE is_duplicate = 1 GROUP BY lead HAVING arg_max(type, revision) = 'MergedInto'
),
absorbed AS (
  SELECT lead, min(effective_captured_at) AS captured_at
  FROM (
    SELECT lead, other_lead, arg_max(type, revision) AS type, max(effective_captured_at) AS effective_captured_at
    FROM merges
    WHERE is_duplicate = 0
    GROUP BY lead, other_lead
  )
  WHERE type = 'DuplicateAbsorbed'
  GROUP BY lead
),
entries AS (
  SELECT
    t.* EXCLUDE (occurred_at),
    CASE WHEN t.visit_no = 1
      THEN least(coalesce(c.entered_at, t.occurred_at), coalesce(a.captured_at, t.occurred_at))
      ELSE coalesce(c.entered_at, t.occurred_at)
    END AS entered_at
  FROM transitions t
  LEFT JOIN corrected c USING (lead, revision)
  LEFT JOIN absorbed a USING (lead)
  ANTI JOIN taken_back v ON v.lead = t.lead AND v.revision = t.revision
  WHERE t.type NOT IN ('TransitionVoided', 'MergedInto')
    AND t.from_state IS DISTINCT FROM t.to_state
    AND t.lead NOT IN (SELECT lead FROM merged_away)
)
SELECT
  lead, to_state AS state, cycle_no, entered_at,
  lead(entered_at) OVER following AS exited_at,
  lead(to_state) OVER following AS exited_to,
  type, reason, skip_rule, owner, team, basis, mode
FROM entries
WINDOW following AS (PARTITION BY lead ORDER BY revision);
