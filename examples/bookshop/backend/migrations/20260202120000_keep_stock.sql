-- An order takes its copies off the shelf; it fails when there are not enough.
CREATE FUNCTION take_from_stock() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    left_over integer;
BEGIN
    UPDATE books
    SET stock = stock - NEW.quantity
    WHERE id = NEW.book_id AND stock >= NEW.quantity
    RETURNING stock INTO left_over;

    IF NOT FOUND THEN
        RAISE EXCEPTION 'not enough copies of book %; % asked for', NEW.book_id, NEW.quantity
            USING ERRCODE = 'check_violation';
    END IF;

    IF left_over = 0 THEN
        RAISE NOTICE 'book % is sold out;', NEW.book_id;
    END IF;
    RETURN NEW;
END;
$$;

CREATE TRIGGER order_lines_take_from_stock
BEFORE INSERT ON order_lines
FOR EACH ROW EXECUTE FUNCTION take_from_stock();
