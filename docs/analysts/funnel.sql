-- Cohort conversion (spec §7.2) by source, every pair of the mandatory ladder: the same figures as GET /v1/reports/funnel?by=source.
-- A lead that skipped a stage has reached it when it entered a later one.
WITH ladder (state, step) AS (
  VALUES ('LEAD', 0), ('MQL', 1), ('SAL', 2), ('SQL', 3), ('OPPORTUNITY', 4), ('CUSTOMER', 5)
),
reached AS (
  SELECT v.lead, earlier.state, earlier.step, min(v.entered_at) AS reached_at
  FROM visits v
  JOIN ladder l ON l.state = v.state
  JOIN ladder earlier ON earlier.step <= l.step
  GROUP BY ALL
)
SELECT
  leads.source,
  a.state AS "from",
  b.state AS "to",
  count(*) AS denominator,
  count(r.lead) AS numerator,
  round(count(r.lead) / count(*), 6) AS rate
FROM reached a
JOIN leads USING (lead)
JOIN ladder b ON b.step > a.step
LEFT JOIN reached r ON r.lead = a.lead AND r.state = b.state
GROUP BY leads.source, a.state, a.step, b.state, b.step
ORDER BY leads.source, a.step, b.step;
