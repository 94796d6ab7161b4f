-- Customers see their own orders: the application sets bookshop.customer_id for each request.
ALTER TABLE orders ENABLE ROW LEVEL SECURITY;
ALTER TABLE order_lines ENABLE ROW LEVEL SECURITY;

CREATE POLICY orders_own ON orders
USING (customer_id = nullif(current_setting('bookshop.customer_id', true), '')::bigint);

CREATE POLICY order_lines_read_own ON order_lines
FOR SELECT
USING (EXISTS (SELECT 1 FROM orders WHERE orders.id = order_lines.order_id));

CREATE POLICY order_lines_add_own ON order_lines
FOR INSERT
WITH CHECK (
    EXISTS (
        SELECT 1 FROM orders WHERE orders.id = order_lines.order_id AND orders.shipped_at IS NULL
    )
);
