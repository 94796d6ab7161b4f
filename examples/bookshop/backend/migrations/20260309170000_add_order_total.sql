CREATE FUNCTION order_total_cents(wanted bigint) RETURNS bigint
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT coalesce(sum(quantity * price_cents), 0)
    FROM order_lines
    WHERE order_id = wanted;
END;

COMMENT ON FUNCTION order_total_cents(bigint) IS 'Sum of an order''s lines; 0 without any.';
