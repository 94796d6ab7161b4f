DROP POLICY order_lines_add_own ON order_lines;
DROP POLICY order_lines_read_own ON order_lines;
DROP POLICY orders_own ON orders;

ALTER TABLE order_lines DISABLE ROW LEVEL SECURITY;
ALTER TABLE orders DISABLE ROW LEVEL SECURITY;
